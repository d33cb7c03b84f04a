//! Settings of a chat: `/settings`, its menus, its words, and `/stop`.
//! It must not know what the settings are used for.

use crate::{
    Act, Keyboard, Language,
    alert_keys::Press,
    chats::Setting,
    here::Here,
    html::fill,
    keys::{key, row, rows, typed},
    lexicon, moment,
    world::StoreAway,
};
use alerts::TimeOfDay;
use market::Asset;

/// Zones that are offered; any other can be written.
const ZONES: [(&str, &str, &str); 9] = [
    ("UTC", "UTC", "UTC"),
    ("London", "Лондон", "Europe/London"),
    ("Berlin", "Берлин", "Europe/Berlin"),
    ("Moscow", "Москва", "Europe/Moscow"),
    ("Dubai", "Дубай", "Asia/Dubai"),
    ("Almaty", "Алматы", "Asia/Almaty"),
    ("Singapore", "Сингапур", "Asia/Singapore"),
    ("New York", "Нью-Йорк", "America/New_York"),
    ("Los Angeles", "Лос-Анджелес", "America/Los_Angeles"),
];
const QUOTES: [&str; 6] = ["USDT", "USD", "EUR", "RUB", "GBP", "BTC"];
const QUIET: [&str; 4] = ["22:00-08:00", "23:00-07:00", "23:00-09:00", "00:00-09:00"];

impl Here<'_> {
    /// Answers `/settings` and `/settings what value`.
    pub(crate) async fn settings(&self, args: &str) -> Vec<Act> {
        if args.is_empty() {
            let (html, keyboard) = self.settings_menu(&self.setting);
            return self.send(html, keyboard);
        }
        if let Err(refusal) = self.may_change().await {
            return self.say(refusal);
        }
        let (what, value) = args.split_once(char::is_whitespace).unwrap_or((args, ""));
        let changed = self.changed(&what.to_lowercase(), value.trim());
        match changed {
            Err(refusal) => self.say(refusal),
            Ok(setting) => match self.keep_setting(&setting).await {
                Ok(()) => {
                    let here = Here { setting, ..self.same() };
                    let (html, keyboard) = here.settings_menu(&here.setting);
                    here.send(html, keyboard)
                }
                Err(StoreAway) => self.not_saved(),
            },
        }
    }

    /// The settings with one of them changed, or why not.
    fn changed(&self, what: &str, value: &str) -> Result<Setting, String> {
        let t = self.t();
        let mut setting = self.setting.clone();
        match what {
            "ru" | "russian" | "русский" | "рус" => setting.language = Language::Ru,
            "en" | "english" | "английский" | "англ" => setting.language = Language::En,
            "language" | "lang" | "язык" => return self.changed(&value.to_lowercase(), ""),
            "zone" | "tz" | "timezone" | "time" | "пояс" | "зона" | "время" => {
                let zone = moment::find_zone(value.trim_start_matches("zone").trim());
                let zone = zone.ok_or_else(|| fill(t.settings_zone_bad, &[("zone", value)]))?;
                setting.zone = Some(zone);
            }
            "quiet" | "тихо" | "тишина" | "тихие" => {
                setting.quiet = quiet(value).ok_or_else(|| t.settings_quiet_bad.to_owned())?;
            }
            "prices" | "price" | "quote" | "currency" | "цены" | "цена" | "валюта" => {
                let names = self.world.names();
                let asset = lexicon::asset_of(&value.to_lowercase()).or_else(|| Asset::parse(value).ok());
                let asset = asset.filter(|asset| names.has_asset(asset));
                let asset = asset.ok_or_else(|| fill(t.settings_quote_bad, &[("quote", value)]))?;
                setting.more.quote = Some(asset);
            }
            // A zone alone: "/settings Berlin".
            _ => {
                let all = if value.is_empty() { what.to_owned() } else { format!("{what} {value}") };
                let zone = moment::find_zone(&all);
                let zone = zone.ok_or_else(|| fill(t.settings_zone_bad, &[("zone", &all)]))?;
                setting.zone = Some(zone);
            }
        }
        Ok(setting)
    }

    /// Keeps settings; what depends on the time zone moves with it.
    async fn keep_setting(&self, setting: &Setting) -> Result<(), StoreAway> {
        self.keep(setting).await?;
        if setting.zone != self.setting.zone { self.move_subscriptions(setting).await } else { Ok(()) }
    }

    fn settings_menu(&self, setting: &Setting) -> (String, Keyboard) {
        let t = setting.language.texts();
        let zone = moment::zone_long(self.now, setting.zone.as_ref(), setting.language);
        let text = fill(
            t.settings,
            &[
                ("language", t.language_name),
                ("zone", &zone),
                ("quiet", &quiet_text(setting)),
                ("quote", &quote_text(setting)),
            ],
        );
        let other = setting.language.other().code();
        let keys = [
            row([key(t.key_other_language, format!("s:lang:{other}")), key(t.key_time_zone, "s:zone")]),
            row([key(t.key_quiet, "s:quiet"), key(t.key_prices_in, "s:quote")]),
        ];
        (text, rows(keys))
    }

    /// A sub-menu.
    fn settings_choice(&self, what: &str) -> Option<(String, Keyboard)> {
        let t = self.t();
        let three = |keys: Vec<Option<crate::Key>>| {
            let mut keyboard = crate::answer::chunked(keys);
            keyboard.push(row([key(t.key_back, "s:")]));
            keyboard
        };
        Some(match what {
            "zone" => {
                let zone = moment::zone_long(self.now, self.zone(), self.language());
                let label = |(en, ru): (&'static str, &'static str)| {
                    if self.language() == Language::Ru { ru } else { en }
                };
                let keys = ZONES.map(|(en, ru, name)| key(label((en, ru)), format!("s:zone:{name}")));
                (fill(t.settings_zone, &[("zone", &zone)]), three(keys.to_vec()))
            }
            "quiet" => {
                let mut keys: Vec<_> =
                    QUIET.map(|span| key(span.replace('-', "–"), format!("s:quiet:{span}"))).to_vec();
                keys.push(key(t.key_off, "s:quiet:off"));
                (fill(t.settings_quiet, &[("quiet", &quiet_text(&self.setting))]), three(keys))
            }
            "quote" => {
                let keys = QUOTES.map(|code| key(code, format!("s:quote:{code}"))).to_vec();
                (fill(t.settings_quote, &[("quote", &quote_text(&self.setting))]), three(keys))
            }
            _ => return None,
        })
    }

    /// A button of the menus: `s:`, `s:zone`, `s:zone:Europe/Berlin`.
    pub(crate) async fn settings_pressed(&self, rest: &str, press: &Press<'_>) -> Vec<Act> {
        let edit = |toast: Act, (html, keyboard): (String, Keyboard)| match press.message_id {
            Some(message_id) => vec![toast, Act::Edit { message_id, html, keyboard }],
            None => vec![toast, Act::Send { html, keyboard }],
        };
        let Some((what, value)) = rest.split_once(':') else {
            let menu = self.settings_choice(rest).unwrap_or_else(|| self.settings_menu(&self.setting));
            return edit(press.done(), menu);
        };
        if let Err(refusal) = self.may_change().await {
            return vec![press.alert(refusal)];
        }
        match self.changed(what, value) {
            Err(_) => vec![press.toast(self.t().toast_old_button)],
            Ok(setting) => match self.keep_setting(&setting).await {
                Err(StoreAway) => vec![press.alert(self.t().not_saved)],
                Ok(()) => {
                    let here = Here { setting, ..self.same() };
                    edit(press.toast(here.t().toast_saved), here.settings_menu(&here.setting))
                }
            },
        }
    }

    /// The button to the other language under the greeting: `l:ru`.
    pub(crate) async fn language_pressed(&self, code: &str, press: &Press<'_>) -> Vec<Act> {
        if let Err(refusal) = self.may_change().await {
            return vec![press.alert(refusal)];
        }
        let setting = Setting { language: Language::of_code(Some(code)), ..self.setting.clone() };
        match (self.keep(&setting).await, press.message_id) {
            (Err(StoreAway), _) => vec![press.alert(self.t().not_saved)],
            (Ok(()), message_id) => {
                let here = Here { setting, ..self.same() };
                let (html, keyboard) = here.greeting();
                match message_id {
                    Some(message_id) => vec![press.done(), Act::Edit { message_id, html, keyboard }],
                    None => vec![press.done(), Act::Send { html, keyboard }],
                }
            }
        }
    }

    /// Answers `/start`: the chat is known from now on, and active again.
    pub(crate) async fn start(&self) -> Vec<Act> {
        let (html, keyboard) = self.greeting();
        let kept = self.keep(&self.setting).await;
        let resumed = match kept {
            Ok(()) => self.resume().await,
            Err(StoreAway) => Err(StoreAway),
        };
        let mut acts = self.send(html, keyboard);
        if resumed.is_err() {
            acts.extend(self.not_saved());
        }
        acts
    }

    /// A chat that is known is active again, if it was paused: a link that leads here is a `/start`, too.
    pub(crate) async fn wake(&self) {
        if self.setting.row.is_some() && self.resume().await.is_err() {
            tracing::warn!(chat = self.chat.id, "a chat stays paused: the store does not take word of it");
        }
    }

    async fn resume(&self) -> Result<(), StoreAway> {
        let resumed = self.world.surely(self.world.parts.store.resume_chat(self.chat.id, self.now)).await;
        self.world.forget(self.chat.id);
        resumed.map(drop)
    }

    /// The greeting and its buttons.
    pub(crate) fn greeting(&self) -> (String, Keyboard) {
        let t = self.t();
        let venues = self.language().count(self.world.venue_count(), |n| &n.venue_where);
        let zone = moment::zone_long(self.now, self.zone(), self.language());
        let text = fill(t.start, &[("venues", &venues), ("language", t.language_name), ("zone", &zone)]);
        let names = self.world.names();
        let shown = |text: &str, label: &str| {
            let asset = Asset::parse(text.split('/').next().unwrap_or(text)).ok()?;
            names.has_asset(&asset).then(|| typed(label, text))?
        };
        let other = self.language().other().code();
        let keys = [
            row([shown("BTC", "BTC"), shown("ETH", "ETH"), shown("USD/RUB", "USD/RUB")]),
            row([key(t.key_alert_new, "n:"), key(t.key_other_language, format!("l:{other}"))]),
        ];
        (text, rows(keys))
    }

    /// Answers `/stop`: everything of the chat is gone.
    pub(crate) async fn stop(&self) -> Vec<Act> {
        if let Err(refusal) = self.may_change().await {
            return self.say(refusal);
        }
        let forgotten = self.world.surely(self.world.parts.store.forget_chat(self.chat.id)).await;
        self.world.forget(self.chat.id);
        match forgotten {
            Ok(()) => self.say(self.t().stopped),
            Err(StoreAway) => self.not_saved(),
        }
    }

    fn same(&self) -> Here<'_> {
        Here {
            world: self.world,
            chat: self.chat,
            user: self.user,
            setting: self.setting.clone(),
            now: self.now,
        }
    }
}

/// `22:00-08:00`, `off`; `None` if it is neither.
#[expect(clippy::option_option, reason = "no quiet hours is an answer, too")]
fn quiet(text: &str) -> Option<Option<(u16, u16)>> {
    let text = text.to_lowercase().replace(['–', '—', '−'], "-");
    let text = text.trim().trim_start_matches("часы").trim();
    if matches!(text, "off" | "none" | "no" | "выкл" | "выключить" | "нет") {
        return Some(None);
    }
    let (from, to) = text.split_once('-')?;
    let minute = |text: &str| {
        let text = text.trim();
        let full = if text.contains(':') { text.to_owned() } else { format!("{text}:00") };
        full.parse::<TimeOfDay>().ok().map(TimeOfDay::minute)
    };
    let (from, to) = (minute(from)?, minute(to)?);
    (from != to).then_some(Some((from, to)))
}

fn quiet_text(setting: &Setting) -> String {
    let time = |minute: u16| TimeOfDay::from_minute(minute).map(|t| t.to_string()).unwrap_or_default();
    match setting.quiet {
        Some((from, to)) => format!("{}–{}", time(from), time(to)),
        None => setting.language.texts().quiet_off.to_owned(),
    }
}

fn quote_text(setting: &Setting) -> String {
    setting.more.quote.as_ref().map_or_else(|| "USDT".to_owned(), ToString::to_string)
}
