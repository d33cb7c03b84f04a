//! The words that people use for assets, and the words around them, in both languages.
//! It must not know grammar: `phrase.rs` says what words mean beside each other.

use market::Asset;

/// What a word is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// `above`, `выше`: a side of a price.
    Above,
    /// `below`, `ниже`.
    Below,
    /// `rises`, `вырастет`: a movement up.
    Rise,
    /// `falls`, `упадёт`.
    Fall,
    /// `moves`, `изменится`: a movement either way.
    Shift,
    /// `hits`, `достигнет`: to a price, from wherever it is.
    Reach,
    /// `будет`: to a price, but only in a condition.
    Become,
    /// `how much`, `сколько`: a question, never an alert.
    Much,
    /// `to`, `до`, `в`: leads to a target.
    To,
    /// `by`, `на`: leads to a difference.
    By,
    /// `within`, `за`: leads to a span.
    Within,
    /// `alert`, `сообщи`: an alert is wanted.
    Notify,
    /// `when`, `если`: a condition follows.
    When,
    /// `spread`, `разброс`.
    Spread,
    /// `chart`, `график`.
    Chart,
    /// `convert`, `переведи`.
    Convert,
    /// `repeat`, `каждый раз`.
    Repeat,
    /// `urgent`, `срочно`.
    Urgent,
    /// `per cent`.
    Percent,
    /// A span of so many milliseconds, or a unit after a number.
    Span(i64),
    /// Says nothing: `what`, `курс`, `пожалуйста`.
    Filler,
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

const CLASSES: &[(Class, &[&str])] = &[
    (
        Class::Above,
        &["above", "over", "exceeds", "higher", "выше", "больше", "свыше", "дороже", "превысит", "перевалит"],
    ),
    (Class::Below, &["below", "under", "lower", "ниже", "меньше", "дешевле"]),
    (
        Class::Rise,
        &[
            "up",
            "rise",
            "rises",
            "grow",
            "grows",
            "gain",
            "gains",
            "climb",
            "climbs",
            "jump",
            "jumps",
            "pump",
            "pumps",
            "goes up",
            "вырастет",
            "растёт",
            "растет",
            "рост",
            "поднимется",
            "подорожает",
            "взлетит",
            "прибавит",
            "подрастёт",
            "подрастет",
            "вырос",
            "вверх",
        ],
    ),
    (
        Class::Fall,
        &[
            "down",
            "fall",
            "falls",
            "drop",
            "drops",
            "lose",
            "loses",
            "dump",
            "dumps",
            "dips",
            "dip",
            "sinks",
            "crashes",
            "упадёт",
            "упадет",
            "падает",
            "падение",
            "снизится",
            "подешевеет",
            "просядет",
            "рухнет",
            "потеряет",
            "опустится",
            "упал",
            "вниз",
            "обвалится",
        ],
    ),
    (
        Class::Shift,
        &[
            "move",
            "moves",
            "change",
            "changes",
            "изменится",
            "сдвинется",
            "изменение",
            "движение",
            "качнётся",
        ],
    ),
    (
        Class::Reach,
        &[
            "hit",
            "hits",
            "reach",
            "reaches",
            "cross",
            "crosses",
            "touches",
            "touch",
            "at",
            "достигнет",
            "пересечёт",
            "пересечет",
            "пробьёт",
            "пробьет",
            "дойдёт",
            "дойдет",
            "коснётся",
            "коснется",
            "дойдут",
            "hitting",
            "reached",
        ],
    ),
    (Class::Become, &["будет", "станет", "becomes", "is", "gets"]),
    (Class::Much, &["how much", "how many", "сколько", "почём", "почем"]),
    (Class::To, &["to", "into", "in", "as", "vs", "against", "до", "в", "во", "ко", "против"]),
    (Class::By, &["by", "на"]),
    (Class::Within, &["within", "per", "during", "за", "течение"]),
    (
        Class::Notify,
        &[
            "alert",
            "alerts",
            "notify",
            "tell",
            "warn",
            "remind",
            "ping",
            "алерт",
            "сообщи",
            "сообщить",
            "уведоми",
            "уведомить",
            "предупреди",
            "предупредить",
            "напиши",
            "скажи",
            "дай знать",
            "let me know",
            "маякни",
            "сигнал",
            "оповести",
        ],
    ),
    (Class::When, &["when", "if", "once", "когда", "если", "как только"]),
    (Class::Spread, &["spread", "спред", "спрэд", "разброс", "расхождение"]),
    (Class::Chart, &["chart", "graph", "plot", "график", "графики", "свечи", "candles"]),
    (
        Class::Convert,
        &[
            "convert",
            "exchange",
            "конвертируй",
            "конвертировать",
            "переведи",
            "обмен",
            "обменять",
            "пересчитай",
            "поменять",
        ],
    ),
    (
        Class::Repeat,
        &["repeat", "repeatedly", "every time", "always", "повтор", "повторять", "каждый раз", "всегда"],
    ),
    (Class::Urgent, &["urgent", "urgently", "срочно", "срочный"]),
    (Class::Percent, &["percent", "per cent", "pct", "процент", "процента", "процентов", "проц"]),
    (Class::Span(1_000), &["sec", "second", "seconds", "сек", "секунд", "секунды"]),
    (
        Class::Span(MINUTE),
        &["min", "mins", "minute", "minutes", "мин", "минута", "минуту", "минуты", "минут", "a minute"],
    ),
    (Class::Span(30 * MINUTE), &["полчаса", "half an hour"]),
    (Class::Span(HOUR), &["h", "hr", "hrs", "hour", "hours", "ч", "час", "часа", "часов", "an hour"]),
    (Class::Span(DAY), &["d", "day", "days", "д", "день", "дня", "дней", "сутки", "суток", "дн", "a day"]),
    (Class::Span(7 * DAY), &["w", "week", "weeks", "неделя", "неделю", "недели", "a week"]),
    (
        Class::Filler,
        &[
            "rate",
            "rates",
            "price",
            "prices",
            "of",
            "the",
            "a",
            "an",
            "what",
            "what's",
            "whats",
            "how",
            "much",
            "many",
            "for",
            "now",
            "today",
            "please",
            "pls",
            "me",
            "show",
            "get",
            "give",
            "current",
            "currently",
            "does",
            "cost",
            "worth",
            "value",
            "trading",
            "i",
            "it",
            "and",
            "course",
            "goes",
            "will",
            "be",
            "hey",
            "hi",
            "right",
            "are",
            "do",
            "you",
            "can",
            "it's",
            "its",
            "tell me",
            "курс",
            "курсы",
            "курса",
            "цена",
            "цену",
            "цены",
            "ценник",
            "стоит",
            "стоят",
            "какой",
            "какая",
            "какова",
            "каков",
            "сейчас",
            "сегодня",
            "пожалуйста",
            "плиз",
            "мне",
            "покажи",
            "показать",
            "дай",
            "для",
            "по",
            "у",
            "а",
            "и",
            "о",
            "об",
            "что",
            "там",
            "как",
            "ну",
            "же",
            "ли",
            "текущий",
            "текущая",
            "от",
            "этом",
            "щас",
            "через",
            "бы",
            "с",
            "со",
            "равно",
            "если",
            "курсом",
            "узнать",
            "хочу",
            "знать",
            "можно",
            "чему",
            "равен",
        ],
    ),
];

/// Words for assets that are not their codes. Those of two words are written with one space.
const ASSETS: &[(&str, &[&str])] = &[
    (
        "BTC",
        &[
            "bitcoins",
            "биткоин",
            "биткойн",
            "биток",
            "битка",
            "битку",
            "битком",
            "битке",
            "битках",
            "биткоинах",
            "битки",
            "битков",
            "битк",
            "биткоина",
            "биткойна",
            "биткоину",
            "биткоины",
            "биткоинов",
            "биткойнов",
            "биткоине",
            "бтс",
            "бтц",
            "бтк",
            "₿",
        ],
    ),
    (
        "ETH",
        &[
            "ether",
            "ethers",
            "эфир",
            "эфира",
            "эфиру",
            "эфире",
            "эфиров",
            "эфирах",
            "эфириум",
            "эфириума",
            "этериум",
            "этериума",
            "эфирчик",
            "етх",
            "эфириуму",
        ],
    ),
    ("SOL", &["солана", "соланы", "солану", "солане", "сол", "солан"]),
    ("TON", &["тон", "тона", "тоны", "тонов", "тонкоин", "тонкоина", "тонкоинов", "тонну"]),
    ("XRP", &["рипл", "рипла", "риппл", "риплы"]),
    ("DOGE", &["доги", "додж", "догикоин", "догекоин", "догкоин"]),
    ("LTC", &["лайткоин", "лайткоина", "лайт", "лайткоинов"]),
    ("TRX", &["трон", "трона", "троны", "тронов"]),
    ("ADA", &["кардано"]),
    ("XMR", &["монеро"]),
    ("DOT", &["полкадот"]),
    ("BNB", &["бнб"]),
    ("USDT", &["тезер", "тезера", "тетер", "юсдт", "усдт", "тезеров", "тезере"]),
    ("USDC", &["юсдс", "юсдк"]),
    (
        "USD",
        &[
            "dollar",
            "dollars",
            "bucks",
            "buck",
            "доллар",
            "доллара",
            "доллару",
            "доллары",
            "долларов",
            "долларах",
            "долларе",
            "долл",
            "бакс",
            "бакса",
            "баксы",
            "баксов",
            "баксах",
            "бакинских",
            "зелёных",
            "us dollar",
            "us dollars",
            "американский доллар",
            "доллар сша",
            "доллара сша",
            "$",
        ],
    ),
    ("EUR", &["euro", "euros", "евро", "еврик", "€"]),
    (
        "RUB",
        &[
            "ruble",
            "rubles",
            "rouble",
            "roubles",
            "рубль",
            "рубля",
            "рублю",
            "рубли",
            "рублей",
            "рублях",
            "рубле",
            "руб",
            "руб.",
            "р",
            "р.",
            "деревянных",
            "rubl",
            "₽",
        ],
    ),
    ("GBP", &["pound", "pounds", "quid", "sterling", "фунт", "фунта", "фунты", "фунтов", "фунтах", "£"]),
    ("JPY", &["yen", "йена", "йены", "йен", "йенах", "иена", "иены", "иен", "иенах", "йене", "иене"]),
    ("CNY", &["yuan", "юань", "юаня", "юани", "юаней", "юанях", "юаню"]),
    ("CHF", &["franc", "francs", "франк", "франка", "франки", "франков", "swiss franc", "swiss francs"]),
    ("KZT", &["tenge", "тенге", "₸"]),
    ("UAH", &["hryvnia", "hryvnias", "гривна", "гривны", "гривну", "гривен", "гривнах", "₴"]),
    ("TRY", &["lira", "liras", "лира", "лиры", "лир", "лирах", "₺"]),
    ("BYN", &["белорусский рубль", "белорусских рублей", "белорусского рубля", "белорусских рублях"]),
    ("PLN", &["zloty", "zlotys", "злотый", "злотых", "злотого"]),
    ("AED", &["dirham", "dirhams", "дирхам", "дирхама", "дирхамов", "дирхамах"]),
    ("INR", &["rupee", "rupees", "рупия", "рупии", "рупий", "рупиях", "₹"]),
    ("KRW", &["вона", "воны", "вон", "₩"]),
    ("XAU", &["gold", "золото", "золота"]),
    ("XAG", &["silver", "серебро", "серебра"]),
];

/// Words that can be more than one asset: the reader is asked.
const EITHER: &[(&str, &[&str])] = &[
    ("¥", &["JPY", "CNY"]),
    ("крона", &["SEK", "NOK", "CZK", "DKK"]),
    ("крон", &["SEK", "NOK", "CZK", "DKK"]),
];

/// What a word, or a group of up to three, is for.
pub(crate) fn class_of(word: &str) -> Option<Class> {
    CLASSES.iter().find(|(_, words)| words.contains(&word)).map(|(class, _)| *class)
}

/// The asset that a word stands for, in whatever case Russian puts it.
pub(crate) fn asset_of(word: &str) -> Option<Asset> {
    let code = ASSETS.iter().find(|(_, words)| words.contains(&word)).map(|(code, _)| *code)?;
    Asset::parse(code).ok()
}

/// The assets that a word may stand for.
pub(crate) fn assets_of(word: &str) -> Option<&'static [&'static str]> {
    EITHER.iter().find(|(known, _)| *known == word).map(|(_, codes)| *codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_stands_for_two_things() {
        let mut seen = std::collections::BTreeMap::new();
        let assets = ASSETS.iter().flat_map(|(code, words)| words.iter().map(move |w| (*w, *code)));
        for (word, code) in assets {
            assert_eq!(seen.insert(word, code), None, "{word}");
            assert_eq!(word, word.to_lowercase());
        }
        for (class, words) in CLASSES {
            for word in *words {
                assert!(!seen.contains_key(word), "{word} is an asset and {class:?}");
                assert_eq!(*word, word.to_lowercase());
            }
        }
    }
}
