//! Near matches for names that were mistyped: `did you mean …`.
//! It must not know what the names are of.

/// The known names that are at most two typing mistakes away, or that begin with what was typed; nearest first,
/// three at most.
pub fn near<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let typed = typed.to_ascii_lowercase();
    let allowed = if typed.chars().count() <= 3 { 1 } else { 2 };
    let mut found: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|name| {
            let lower = name.to_ascii_lowercase();
            let mistakes = mistakes(&typed, &lower);
            let begins = typed.len() >= 3 && lower.starts_with(&typed);
            (mistakes <= allowed || begins).then_some((mistakes, name))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().take(3).map(|(_, name)| name).collect()
}

/// `; did you mean a or b?`, or nothing.
pub fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match near(typed, known).as_slice() {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(" or ")),
    }
}

/// How many insertions, deletions, replacements and swaps of neighbours lie between two texts.
fn mistakes(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_names_are_found() {
        let known = ["listen", "roles", "store", "log.filter", "log.format"];
        assert_eq!(near("lisen", known), ["listen"]);
        assert_eq!(near("lsiten", known), ["listen"]);
        assert_eq!(near("log.fromat", known), ["log.format"]);
        assert_eq!(near("LOG", known), ["log.filter", "log.format"]);
        assert_eq!(near("banana", known), [""; 0]);
        assert_eq!(did_you_mean("stor", known), "; did you mean store?");
        assert_eq!(did_you_mean("xyzzy", known), "");
    }
}
