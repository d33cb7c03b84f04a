//! The two languages, and how each counts things.
//! It must not hold a text: those are in `texts_en.rs` and `texts_ru.rs`.

/// A language that the bot speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Russian.
    Ru,
}

impl Language {
    /// Both.
    pub const ALL: [Language; 2] = [Language::En, Language::Ru];

    /// The code of ISO 639-1.
    pub fn code(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::Ru => "ru",
        }
    }

    /// The language of a code such as `ru` or `ru-RU`; English for all that is not spoken here.
    pub fn of_code(code: Option<&str>) -> Language {
        let first = code.unwrap_or_default().split(['-', '_']).next().unwrap_or_default();
        if first.eq_ignore_ascii_case("ru") { Language::Ru } else { Language::En }
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Language {
        match self {
            Language::En => Language::Ru,
            Language::Ru => Language::En,
        }
    }

    /// Which form of a noun a count takes (CLDR's cardinal rules): English has one and other, Russian one, few, many.
    pub fn plural(self, count: u64) -> Plural {
        match self {
            Language::En if count == 1 => Plural::One,
            Language::En => Plural::Many,
            Language::Ru => match (count % 10, count % 100) {
                (_, 11..=14) => Plural::Many,
                (1, _) => Plural::One,
                (2..=4, _) => Plural::Few,
                _ => Plural::Many,
            },
        }
    }
}

/// The form of a noun beside a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plural {
    /// 1 alert, 21 алерт.
    One,
    /// 2 алерта; in English the same as many.
    Few,
    /// 5 алертов, 0 alerts.
    Many,
}

/// A noun in all its forms.
#[derive(Debug, Clone, Copy)]
pub struct Noun {
    /// Beside one.
    pub one: &'static str,
    /// Beside a few.
    pub few: &'static str,
    /// Beside many, or none.
    pub many: &'static str,
}

impl Noun {
    /// The form that goes with the count.
    pub fn with(&self, language: Language, count: u64) -> &'static str {
        match language.plural(count) {
            Plural::One => self.one,
            Plural::Few => self.few,
            Plural::Many => self.many,
        }
    }
}

/// The form that stands after "of N" ("7 из 8 площадок"): in Russian the genitive, whose singular is the form
/// that nouns take beside a few.
pub fn of_total(noun: &Noun, language: Language, count: u64) -> &'static str {
    match (language, language.plural(count)) {
        (Language::Ru, Plural::One) => noun.few,
        (Language::Ru, _) => noun.many,
        (Language::En, _) => noun.with(language, count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_take_their_form() {
        let (en, ru) = (
            Noun { one: "alert", few: "alerts", many: "alerts" },
            Noun { one: "алерт", few: "алерта", many: "алертов" },
        );
        for (count, english, russian) in [
            (0, "alerts", "алертов"),
            (1, "alert", "алерт"),
            (2, "alerts", "алерта"),
            (5, "alerts", "алертов"),
            (11, "alerts", "алертов"),
            (12, "alerts", "алертов"),
            (21, "alerts", "алерт"),
            (22, "alerts", "алерта"),
            (111, "alerts", "алертов"),
            (1501, "alerts", "алерт"),
        ] {
            assert_eq!(en.with(Language::En, count), english, "{count}");
            assert_eq!(ru.with(Language::Ru, count), russian, "{count}");
        }
    }

    #[test]
    fn of_a_total_the_noun_is_in_the_genitive() {
        let venue = Noun { one: "площадка", few: "площадки", many: "площадок" };
        for (total, form) in
            [(1, "площадки"), (2, "площадок"), (8, "площадок"), (21, "площадки"), (11, "площадок")]
        {
            assert_eq!(of_total(&venue, Language::Ru, total), form, "{total}");
        }
    }

    #[test]
    fn a_language_is_known_by_its_code() {
        for (code, language) in [
            (Some("ru"), Language::Ru),
            (Some("ru-RU"), Language::Ru),
            (Some("de"), Language::En),
            (None, Language::En),
        ] {
            assert_eq!(Language::of_code(code), language, "{code:?}");
        }
    }
}
