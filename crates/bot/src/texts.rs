//! What the bot can say, by key: the same keys in every language, by type, and the same places to fill, by test.
//! It must not know when anything is said.

use crate::{Language, Noun, texts_en::EN, texts_ru::RU};

/// Names the fields of a table of texts, once.
#[rustfmt::skip]
macro_rules! texts {
    ($($(#[$doc:meta])* $key:ident,)*) => {
        /// Every text of a language. `{name}` is filled; of `{name_html}` the value is markup.
        #[derive(Debug)]
        pub(crate) struct Texts {
            $($(#[$doc])* pub(crate) $key: &'static str,)*
        }

        impl Texts {
            /// Every key with its text.
            #[cfg(test)]
            pub(crate) fn all(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($key), self.$key),)*]
            }
        }
    };
}

texts! {
    /// The greeting.
    start,
    /// What there is.
    help,
    /// The languages as they call themselves.
    language_name,
    /// The button to the other language.
    key_other_language,
    key_alert_new,
    key_alert_new_short,
    key_refresh,
    key_chart,
    key_alert,
    key_repeat,
    key_repeat_on,
    key_expires,
    key_expires_on,
    key_ignore_quiet,
    key_ignore_quiet_on,
    key_delete,
    key_now,
    key_next_cross,
    key_rearm,
    key_snooze,
    key_time_zone,
    key_quiet,
    key_prices_in,
    key_back,
    key_off,
    key_older,
    key_newer,
    key_convert,
    key_alert_at,
    /// A rate, its first line.
    rate_head,
    rate_change,
    rate_range,
    rate_spread,
    rate_median,
    rate_one_venue,
    rate_cross,
    rate_last_line,
    rate_exact,
    rate_short,
    demo,
    stale,
    stale_silent_one,
    stale_silent_many,
    list_and,
    list_and_more,
    suspect,
    disputed,
    expired,
    unseen,
    all_pairs_one,
    unknown_near,
    unknown,
    unknown_pair,
    pairs_head,
    pairs_more,
    rates_head,
    converted,
    converted_old,
    convert_none,
    either_amount,
    amount_or_alert,
    which_asset,
    alert_saved,
    alert_changed,
    alert_now_needs,
    alert_now,
    alert_once,
    alert_once_rearm,
    alert_every,
    alert_every_rearm,
    back_below,
    back_above,
    about_pair,
    bad_pct,
    bad_span,
    alert_expires,
    alert_urgent,
    alert_snoozed,
    alert_past,
    alert_past_once,
    alert_past_never,
    past_week,
    past_shorter,
    alert_already_above,
    alert_already_below,
    alert_either,
    alert_deleted,
    alert_other_pair,
    alert_gone,
    alert_limit,
    alert_bad,
    alert_new_hint,
    alert_edit_hint,
    alert_rate_missing,
    cond_cross_above,
    cond_cross_below,
    cond_is_above,
    cond_is_below,
    cond_rises,
    cond_falls,
    cond_moves,
    cond_rises_from_now,
    cond_falls_from_now,
    cond_moves_from_now,
    cond_rises_24h,
    cond_falls_24h,
    cond_moves_24h,
    cond_spread,
    cond_source_down,
    short_above,
    short_below,
    short_move,
    short_move_from_now,
    short_move_24h,
    short_spread,
    short_source_down,
    alerts_head,
    alerts_line,
    alerts_line_unknown,
    alerts_undelivered,
    alerts_empty,
    fired_above,
    fired_below,
    fired_move,
    fired_move_from_now,
    fired_move_24h,
    fired_spread,
    fired_source_down,
    fired_since_set,
    fired_sources,
    fired_offline,
    repeat_possible,
    digest_head,
    digest_line,
    toast_deleted,
    toast_repeat_on,
    toast_repeat_off,
    toast_expires_on,
    toast_expires_off,
    toast_urgent_on,
    toast_urgent_off,
    toast_rearmed,
    toast_already_armed,
    toast_snoozed,
    toast_gone,
    toast_sent_again,
    toast_not_given_up,
    toast_old_button,
    toast_saved,
    toast_limit,
    sub_saved,
    sub_first_today,
    sub_first_tomorrow,
    sub_first_date,
    sub_hint,
    sub_coin_or_day,
    sub_limit,
    subs_head,
    subs_line,
    subs_empty,
    sub_deleted,
    sub_nothing,
    every_day,
    weekdays,
    weekends,
    on_days,
    days_short,
    chart_caption,
    chart_subtitle,
    chart_demo,
    chart_empty,
    status_head,
    status_api_ok,
    status_api_down,
    status_db_ok,
    status_db_down,
    status_queue,
    status_ok,
    status_limited,
    status_silent,
    status_backing_off,
    status_connecting,
    status_blocked,
    status_refused,
    status_unreadable,
    status_stopped,
    status_unknown,
    status_retry,
    status_attempt,
    status_none,
    sources_head,
    sources_line,
    sources_line_unused,
    reason_stale,
    reason_expired,
    reason_outlier,
    reason_excluded,
    reason_suspect,
    settings,
    settings_zone,
    settings_zone_bad,
    settings_quiet,
    settings_quiet_bad,
    settings_quote,
    settings_quote_bad,
    quiet_off,
    stopped,
    id,
    group_joined,
    group_admins_only,
    group_unsure,
    not_saved,
    not_shown,
    understood_missing_price,
    understood_missing_pair,
    try_these,
    understood_words,
    not_understood,
    contradiction,
    unknown_command,
    away,
    operator_only,
    admin_help,
    admin_given_up,
    admin_users,
    admin_disabled,
    admin_enabled,
    admin_no_rows,
    admin_no_venue,
    admin_broadcast,
    admin_broadcast_busy,
    admin_broadcast_empty,
    admin_muted,
    admin_mute_hint,
    admin_reloaded,
    admin_logs_none,
    admin_version,
    admin_failed,
    inline_none,
    inline_hint,
}

/// The nouns that are counted.
#[derive(Debug)]
pub(crate) struct Nouns {
    pub(crate) venue: Noun,
    pub(crate) pair: Noun,
    pub(crate) alert: Noun,
    pub(crate) old_request: Noun,
    /// Where something is: на 31 площадке.
    pub(crate) venue_where: Noun,
    pub(crate) chat: Noun,
    pub(crate) row: Noun,
    /// How often: 3 раза.
    pub(crate) time: Noun,
}

impl Language {
    /// Its texts.
    pub(crate) fn texts(self) -> &'static Texts {
        match self {
            Language::En => &EN,
            Language::Ru => &RU,
        }
    }

    /// Its nouns.
    pub(crate) fn nouns(self) -> &'static Nouns {
        match self {
            Language::En => &crate::texts_en::NOUNS,
            Language::Ru => &crate::texts_ru::NOUNS,
        }
    }

    /// `3 venues`, `3 площадки`.
    pub(crate) fn count(self, count: u64, noun: fn(&Nouns) -> &Noun) -> String {
        let number = crate::number::plain(count.into(), self);
        format!("{number} {}", noun(self.nouns()).with(self, count))
    }

    /// `8 venues`, `8 площадок`: after "of".
    pub(crate) fn of_total(self, count: u64, noun: fn(&Nouns) -> &Noun) -> String {
        let number = crate::number::plain(count.into(), self);
        format!("{number} {}", crate::language::of_total(noun(self.nouns()), self, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{html, split::readable};

    #[test]
    fn the_same_places_are_filled_in_both_languages() {
        for ((key, en), (_, ru)) in EN.all().into_iter().zip(RU.all()) {
            assert_eq!(html::places(en), html::places(ru), "{key}");
            assert_eq!(en.matches('\n').count(), ru.matches('\n').count(), "lines of {key}");
            assert!(!en.trim().is_empty() && !ru.trim().is_empty(), "{key}");
        }
    }

    #[test]
    fn each_language_keeps_to_itself() {
        let is_cyrillic = |c: char| ('\u{400}'..='\u{4ff}').contains(&c);
        for (key, en) in EN.all() {
            let stray = key != "key_other_language" && en.chars().any(is_cyrillic);
            assert!(!stray, "{key}: {en}");
        }
        for (key, ru) in RU.all() {
            let says_something = readable(ru).chars().any(char::is_alphabetic);
            let stays_latin =
                ["key_other_language", "id", "sources_line", "rate_short", "admin_help"].contains(&key);
            let outside: String =
                ru.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest)).collect();
            let has_words = readable(&outside).chars().any(char::is_alphabetic);
            assert!(
                !says_something || stays_latin || !has_words || ru.chars().any(is_cyrillic),
                "{key}: {ru}"
            );
        }
    }

    #[test]
    fn counts_read_well() {
        assert_eq!(Language::En.count(1, |n| &n.venue), "1 venue");
        assert_eq!(Language::Ru.count(3, |n| &n.venue), "3 площадки");
        assert_eq!(Language::Ru.of_total(21, |n| &n.venue), "21 площадки");
        let expected = [
            (0, "0 алертов", "0 alerts"),
            (1, "1 алерт", "1 alert"),
            (2, "2 алерта", "2 alerts"),
            (5, "5 алертов", "5 alerts"),
            (11, "11 алертов", "11 alerts"),
            (21, "21 алерт", "21 alerts"),
            (1501, "1\u{a0}501 алерт", "1,501 alerts"),
        ];
        for (count, ru, en) in expected {
            assert_eq!(Language::Ru.count(count, |n| &n.alert), ru);
            assert_eq!(Language::En.count(count, |n| &n.alert), en);
        }
    }

    /// B2: every noun, in the forms that its counts take.
    #[test]
    fn every_noun_is_declined() {
        let all = |n: &Nouns| [n.venue, n.pair, n.alert, n.old_request, n.venue_where, n.chat, n.row, n.time];
        let forms = [
            (["площадка", "площадки", "площадок"], ["venue", "venues"]),
            (["пара", "пары", "пар"], ["pair", "pairs"]),
            (["алерт", "алерта", "алертов"], ["alert", "alerts"]),
            (["старый запрос", "старых запроса", "старых запросов"], ["old request", "old requests"]),
            (["площадке", "площадках", "площадках"], ["venue", "venues"]),
            (["чат", "чата", "чатов"], ["chat", "chats"]),
            (["строка", "строки", "строк"], ["row", "rows"]),
            (["раз", "раза", "раз"], ["time", "times"]),
        ];
        let (ru, en) = (all(Language::Ru.nouns()), all(Language::En.nouns()));
        for (at, ([one, few, many], [en_one, en_many])) in forms.into_iter().enumerate() {
            let counts = [(0, many), (1, one), (2, few), (5, many), (11, many), (21, one), (1501, one)];
            for (count, form) in counts {
                assert_eq!(ru[at].with(Language::Ru, count), form, "{count}");
                let form = if count == 1 { en_one } else { en_many };
                assert_eq!(en[at].with(Language::En, count), form, "{count}");
            }
        }
        for (count, of) in
            [(1, "1 площадки"), (2, "2 площадок"), (11, "11 площадок"), (1501, "1\u{a0}501 площадки")]
        {
            assert_eq!(Language::Ru.of_total(count, |n| &n.venue), of);
        }
    }
}
