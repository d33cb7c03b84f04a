//! The menu of commands, in both languages, as Telegram shows it beside the text field.
//! It must not hold what only operators may do.

use crate::Menus;

/// Command, English, Russian.
const COMMANDS: [(&str, &str, &str); 15] = [
    ("rate", "A rate: /rate BTC USDT", "Курс: /rate BTC USDT"),
    ("rates", "The main rates", "Основные курсы"),
    ("convert", "Convert: /convert 100 USD RUB", "Пересчёт: /convert 100 USD RUB"),
    ("chart", "A chart: /chart BTC 7d", "График: /chart BTC 7д"),
    ("alert", "New alert: /alert BTC above 70k", "Новый алерт: /alert BTC выше 70к"),
    ("alerts", "Your alerts", "Ваши алерты"),
    ("sub", "A rate every day: /sub BTC 9:00", "Курс каждый день: /sub BTC 9:00"),
    ("subs", "Your subscriptions", "Ваши подписки"),
    ("sources", "Prices by venue: /sources BTC", "Цены по площадкам: /sources BTC"),
    ("status", "How the sources are doing", "Как работают источники"),
    ("pairs", "All pairs", "Все пары"),
    ("settings", "Language, time zone, quiet hours", "Язык, часовой пояс, тихие часы"),
    ("help", "What I can do", "Что я умею"),
    ("id", "The number of this chat", "Номер этого чата"),
    ("stop", "Delete everything about this chat", "Удалить всё об этом чате"),
];

/// The menu by language; `None` is everybody else.
pub(crate) fn commands() -> Menus {
    let english = COMMANDS.iter().map(|(command, en, _)| (*command, *en)).collect();
    let russian = COMMANDS.iter().map(|(command, _, ru)| (*command, *ru)).collect();
    vec![(None, english), (Some("ru"), russian)]
}
