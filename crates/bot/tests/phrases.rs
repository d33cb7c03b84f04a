//! Phrases as people write them, in both languages: what is understood, and what is asked about instead of guessed.
//! It must not test answers.

use alerts::{Direction, Side};
use bot::{
    Names, Number,
    phrase::{self, Ask, Asked, Expect, Phrase, Wanted, Why},
};
use market::Pair;

const PAIRS: &str = "BTC-USDT ETH-USDT SOL-USDT TON-USDT XRP-USDT DOGE-USDT LTC-USDT TRX-USDT BNB-USDT ADA-USDT NEAR-USDT \
    DOT-USDT PEPE-USDT 1INCH-USDT BTC-USD ETH-USD BTC-EUR ETH-BTC EUR-USD GBP-USD USD-JPY USD-CNY USD-RUB EUR-RUB USD-KZT \
    USD-TRY USDT-RUB USDC-USDT USD-CHF XAU-USD USD-BYN USD-AED BTC-RUB";

fn names() -> Names {
    Names::new(PAIRS.split_whitespace().map(|p| Pair::parse(p).unwrap()))
}

fn wanted(wanted: &Wanted) -> String {
    match &wanted.quote {
        Some(quote) => format!("{}/{quote}", wanted.base),
        None => wanted.base.to_string(),
    }
}

fn number(number: Number) -> String {
    let all: Vec<String> = number.meanings().iter().map(|n| n.normalize().to_string()).collect();
    all.join("|")
}

fn span(ms: i64) -> String {
    match ms / 60_000 {
        minutes if minutes % 1_440 == 0 => format!("{}d", minutes / 1_440),
        minutes if minutes % 60 == 0 => format!("{}h", minutes / 60),
        minutes => format!("{minutes}m"),
    }
}

fn asked(ask: &Ask) -> String {
    let mut out = String::from("alert");
    if let Some(id) = ask.id {
        out += &format!(" #{id}");
    }
    if let Some(w) = &ask.wanted {
        out += &format!(" {}", wanted(w));
    }
    out += &match &ask.what {
        Asked::Price { side, price } => {
            let side = side.map_or("at", |s| if s == Side::Above { "above" } else { "below" });
            format!(" {side} {}", number(*price))
        }
        Asked::Move { direction, pct, within_ms } => {
            let sign = match direction {
                Direction::Up => "+",
                Direction::Down => "-",
                Direction::Either => "±",
            };
            let within = within_ms.map(|ms| format!(" {}", span(ms))).unwrap_or_default();
            format!(" {sign}{}%{within}", number(*pct))
        }
        Asked::Spread { pct } => format!(" spread {}%", number(*pct)),
    };
    if ask.repeat {
        out += " repeat";
    }
    if ask.is_urgent {
        out += " urgent";
    }
    out
}

fn say(phrase: &Phrase) -> String {
    match phrase {
        Phrase::Rates(all) => format!("rate {}", all.iter().map(wanted).collect::<Vec<_>>().join(",")),
        Phrase::Convert { amount, from, to } => {
            let to = to.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("convert {} {from}>{to}", number(*amount))
        }
        Phrase::Chart { wanted: w, span_ms } => {
            format!("chart {}{}", wanted(w), span_ms.map(|ms| format!(" {}", span(ms))).unwrap_or_default())
        }
        Phrase::Alert(ask) => asked(ask),
        Phrase::Unclear { why, .. } => match why {
            Why::Nothing => "? nothing".to_owned(),
            Why::UnknownName(name) => format!("? name {name}"),
            Why::UnknownWords(_) => "? words".to_owned(),
            Why::AnyOf(codes) => format!("? {}", codes.join(" or ")),
            Why::PriceMissing => "? price".to_owned(),
            Why::PairMissing => "? pair".to_owned(),
            Why::AmountOrAlert(n) => format!("? amount or alert {}", number(*n)),
            Why::Contradiction => "? contradiction".to_owned(),
        },
    }
}

/// Free text, and what it means; what begins with `?` is asked about.
const FREE: &[(&str, &str)] = &[
    // Rates, English.
    ("btc", "rate BTC"),
    ("BTC", "rate BTC"),
    ("Bitcoin", "rate BTC"),
    ("btc usdt", "rate BTC/USDT"),
    ("BTC/USDT", "rate BTC/USDT"),
    ("btc-usdt", "rate BTC/USDT"),
    ("btc_usdt", "rate BTC/USDT"),
    ("btcusdt", "rate BTC/USDT"),
    ("BTCUSDT", "rate BTC/USDT"),
    ("btc / usdt", "rate BTC/USDT"),
    ("btc - usdt", "rate BTC/USDT"),
    ("btc to usdt", "rate BTC/USDT"),
    ("btc price", "rate BTC"),
    ("price of btc", "rate BTC"),
    ("What is the price of bitcoin?", "rate BTC"),
    ("what's btc at now?", "rate BTC"),
    ("how much is ether", "rate ETH"),
    ("how much is bitcoin in euros?", "rate BTC/EUR"),
    ("how much does eth cost", "rate ETH"),
    ("show me sol please", "rate SOL"),
    ("eth btc", "rate ETH/BTC"),
    ("eur usd", "rate EUR/USD"),
    ("EURUSD", "rate EUR/USD"),
    ("dollar", "rate USD"),
    ("usd rub", "rate USD/RUB"),
    ("dollar to ruble", "rate USD/RUB"),
    ("usd in rubles", "rate USD/RUB"),
    ("pound dollar", "rate GBP/USD"),
    ("usd yen", "rate USD/JPY"),
    ("gold", "rate XAU"),
    ("near", "rate NEAR"),
    ("NEAR price", "rate NEAR"),
    ("1inch", "rate 1INCH"),
    ("1inch usdt", "rate 1INCH/USDT"),
    ("btc eth sol", "rate BTC,ETH,SOL"),
    ("bitcoin, ether and solana", "rate BTC,ETH,SOL"),
    ("$ ₽", "rate USD/RUB"),
    ("bitcoin/dollar", "rate BTC/USD"),
    ("tron", "rate TRX"),
    ("xbt", "rate BTC"),
    ("hi btc", "rate BTC"),
    ("btc now pls", "rate BTC"),
    // Rates, Russian.
    ("биток", "rate BTC"),
    ("Биткоин", "rate BTC"),
    ("эфир", "rate ETH"),
    ("сколько стоит эфир", "rate ETH"),
    ("сколько стоит эфир?", "rate ETH"),
    ("почём биток", "rate BTC"),
    ("Почем сейчас битки?", "rate BTC"),
    ("курс доллара", "rate USD"),
    ("курс", "? nothing"),
    ("курс биткоина", "rate BTC"),
    ("курс доллара к рублю", "rate USD/RUB"),
    ("курс евро к доллару сейчас", "rate EUR/USD"),
    ("доллар рубль", "rate USD/RUB"),
    ("доллар/рубль", "rate USD/RUB"),
    ("доллар-рубль", "rate USD/RUB"),
    ("какой курс эфира в долларах?", "rate ETH/USD"),
    ("цена битка в рублях", "rate BTC/RUB"),
    ("покажи мне тон", "rate TON"),
    ("солана", "rate SOL"),
    ("юань", "rate CNY"),
    ("курс юаня", "rate CNY"),
    ("евро рубль", "rate EUR/RUB"),
    ("сколько сейчас евро в рублях", "rate EUR/RUB"),
    ("эфир биток", "rate ETH/BTC"),
    ("биток эфир солана", "rate BTC,ETH,SOL"),
    ("золото", "rate XAU"),
    ("усдт рубль", "rate USDT/RUB"),
    ("курс тезера", "rate USDT"),
    ("тенге", "rate KZT"),
    ("доллар тенге", "rate USD/KZT"),
    ("белорусский рубль", "rate BYN"),
    ("доллар к белорусскому рублю", "? words"),
    ("бакс", "rate USD"),
    ("btc к usdt", "rate BTC/USDT"),
    ("цена btc", "rate BTC"),
    ("почём баксы сегодня", "rate USD"),
    ("какова цена эфириума", "rate ETH"),
    ("хочу знать курс фунта", "rate GBP"),
    ("лайткоин доллар", "rate LTC/USD"),
    ("доги", "rate DOGE"),
    // Conversions, English.
    ("100 usd rub", "convert 100 USD>RUB"),
    ("100 usd eur", "convert 100 USD>EUR"),
    ("100 usd to eur", "convert 100 USD>EUR"),
    ("100 dollars in rubles", "convert 100 USD>RUB"),
    ("100usd rub", "convert 100 USD>RUB"),
    ("$100 to rub", "convert 100 USD>RUB"),
    ("100$ in euros", "convert 100 USD>EUR"),
    ("€50 usd", "convert 50 EUR>USD"),
    ("1 btc", "convert 1 BTC>"),
    ("0.5 btc usd", "convert 0.5 BTC>USD"),
    ("0.5btc", "convert 0.5 BTC>"),
    ("1.5k usd to rub", "convert 1500 USD>RUB"),
    ("2m rub usd", "convert 2000000 RUB>USD"),
    ("1,000,000 rub to usd", "convert 1000000 RUB>USD"),
    ("1,500 usd eur", "convert 1500|1.5 USD>EUR"),
    ("10 000 rub usd", "convert 10000 RUB>USD"),
    ("convert 5 eth to btc", "convert 5 ETH>BTC"),
    ("how much is 100 usd in rub?", "convert 100 USD>RUB"),
    ("how many rubles in 100 dollars", "convert 100 USD>RUB"),
    ("what is 250 eur in usd", "convert 250 EUR>USD"),
    ("usd 100 to eur", "convert 100 USD>EUR"),
    ("20 bucks in euros", "convert 20 USD>EUR"),
    ("3 eth = usd", "convert 3 ETH>USD"),
    ("3 eth -> usd", "convert 3 ETH>USD"),
    ("100 pounds", "convert 100 GBP>"),
    ("100 usdt btc", "convert 100 USDT>BTC"),
    ("100 us dollars in yen", "convert 100 USD>JPY"),
    ("1 million rubles in dollars", "convert 1000000 RUB>USD"),
    ("convert usd to eur", "convert 1 USD>EUR"),
    ("100 btc/usdt", "convert 100 BTC>USDT"),
    ("0,01 btc eur", "convert 0.01 BTC>EUR"),
    ("5 gold", "convert 5 XAU>"),
    // Conversions, Russian.
    ("100 долларов в рублях", "convert 100 USD>RUB"),
    ("100 баксов в рубли", "convert 100 USD>RUB"),
    ("сколько будет 100 евро в рублях", "convert 100 EUR>RUB"),
    ("сколько рублей в 100 долларах", "convert 100 USD>RUB"),
    ("100 тысяч рублей в долларах", "convert 100000 RUB>USD"),
    ("100к рублей в баксах", "convert 100000 RUB>USD"),
    ("100 к рублей в баксах", "convert 100000 RUB>USD"),
    ("1,5 млн руб. в usd", "convert 1500000 RUB>USD"),
    ("1,5м рублей в доллары", "convert 1500000 RUB>USD"),
    ("переведи 200 евро в доллары", "convert 200 EUR>USD"),
    ("0,1 битка", "convert 0.1 BTC>"),
    ("0,1 битка в рублях", "convert 0.1 BTC>RUB"),
    ("5 эфиров в долларах", "convert 5 ETH>USD"),
    ("10 000 руб в доллары", "convert 10000 RUB>USD"),
    ("500 юаней в рубли", "convert 500 CNY>RUB"),
    ("1000 йен", "convert 1000 JPY>"),
    ("100 usdt в рублях", "convert 100 USDT>RUB"),
    ("2 лям рублей в доллары", "convert 2000000 RUB>USD"),
    ("сколько стоит 1 биток в евро", "convert 1 BTC>EUR"),
    ("300р в баксы", "convert 300 RUB>USD"),
    ("50$ в рублях", "convert 50 USD>RUB"),
    ("тысяча рублей в долларах", "? words"),
    ("обменять 40 фунтов на рубли", "convert 40 GBP>RUB"),
    ("чему равен 1 эфир в битках", "convert 1 ETH>BTC"),
    // Alerts, English.
    ("btc above 70k", "alert BTC above 70000"),
    ("BTC > 70000", "alert BTC above 70000"),
    ("btc >= 70,000", "alert BTC above 70000"),
    ("btc<60k", "alert BTC below 60000"),
    ("notify me when btc hits 70k", "alert BTC at 70000"),
    ("tell me when eth drops below 3000", "alert ETH below 3000"),
    ("let me know if sol goes above $200", "alert SOL/USD above 200"),
    ("alert btc usdt above 70 000", "alert BTC/USDT above 70000"),
    ("alert eth -5% 1h", "alert ETH -5% 1h"),
    ("eth -5 % 1h", "alert ETH -5% 1h"),
    ("btc +5%", "alert BTC +5%"),
    ("btc ±3% 15m", "alert BTC ±3% 15m"),
    ("btc +/-3% in 15 minutes", "alert BTC ±3% 15m"),
    ("btc 5% 1d", "alert BTC ±5% 1d"),
    ("warn me if btc falls 10% in a day", "alert BTC -10% 1d"),
    ("btc drops by 5% within an hour", "alert BTC -5% 1h"),
    ("btc moves 2% in half an hour", "alert BTC ±2% 30m"),
    ("when eth rises 5 percent in 24h tell me", "alert ETH +5% 1d"),
    ("if btc falls to 60k", "alert BTC below 60000"),
    ("btc rises to 80k", "alert BTC above 80000"),
    ("spread btc 1%", "alert BTC spread 1%"),
    ("alert btc spread > 0.5%", "alert BTC spread 0.5%"),
    ("btc above 70k repeat", "alert BTC above 70000 repeat"),
    ("btc above 70k urgent every time", "alert BTC above 70000 repeat urgent"),
    ("btc above 1,500", "alert BTC above 1500|1.5"),
    ("usd rub above 100", "alert USD/RUB above 100"),
    ("btc-5%", "alert BTC -5%"),
    ("once btc reaches 100k", "alert BTC at 100000"),
    ("btc below 59.5k", "alert BTC below 59500"),
    ("pepe above 0.0₅12", "alert PEPE above 0.0000012"),
    ("pepe above 0.0000012", "alert PEPE above 0.0000012"),
    ("btc over 1.5m", "alert BTC above 1500000"),
    // Alerts, Russian.
    ("btc выше 70к", "alert BTC above 70000"),
    ("биток выше 70 000", "alert BTC above 70000"),
    ("сообщи когда биток будет выше 70к", "alert BTC above 70000"),
    ("Сообщи, если эфир упадёт ниже 3000", "alert ETH below 3000"),
    ("уведоми когда доллар станет дороже 100 рублей", "alert USD/RUB above 100"),
    ("если биток упадет до 60к", "alert BTC below 60000"),
    ("биток вырастет до 80 тыс.", "alert BTC above 80000"),
    ("эфир -5% за час", "alert ETH -5% 1h"),
    ("эфир -5% 1ч", "alert ETH -5% 1h"),
    ("биток упадёт на 10% за сутки", "alert BTC -10% 1d"),
    ("биток ±3% 15м", "alert BTC ±3% 15m"),
    ("биток ±3% за 15 минут", "alert BTC ±3% 15m"),
    ("предупреди если биток изменится на 2 процента за полчаса", "alert BTC ±2% 30m"),
    ("напиши, как только биток достигнет 75 000", "alert BTC at 75000"),
    ("тон вырастет на 5%", "alert TON +5%"),
    ("доллар выше 100", "alert USD above 100"),
    ("разброс по битку 1%", "alert BTC spread 1%"),
    ("спред btc usdt больше 0,5 %", "alert BTC/USDT spread 0.5%"),
    ("биток выше 70к повторять", "alert BTC above 70000 repeat"),
    ("биток выше 70к каждый раз срочно", "alert BTC above 70000 repeat urgent"),
    ("биток превысит 70к", "alert BTC above 70000"),
    ("евро подешевеет до 90 рублей", "alert EUR/RUB below 90"),
    ("эфир пересечёт 3 500,50", "alert ETH at 3500.5"),
    ("биток выше 70 к", "alert BTC above 70000"),
    ("когда биток будет 70к", "alert BTC at 70000"),
    ("btc выше 1,5м", "alert BTC above 1500000"),
    ("эфир поднимется выше 4000$", "alert ETH/USD above 4000"),
    // Charts.
    ("btc chart", "chart BTC"),
    ("chart btc usdt 7d", "chart BTC/USDT 7d"),
    ("график битка", "chart BTC"),
    ("график эфира за неделю", "chart ETH 7d"),
    ("график btc 24ч", "chart BTC 1d"),
    // Asked about instead of guessed.
    ("btcc", "? name BTCC"),
    ("BTCC", "? name BTCC"),
    ("btc xyz", "? name XYZ"),
    ("hello", "? name HELLO"),
    ("привет", "? nothing"),
    ("как дела", "? nothing"),
    ("btc 100", "? amount or alert 100"),
    ("btc 70k", "? amount or alert 70000"),
    ("usd 100 eur", "? amount or alert 100"),
    ("100", "? nothing"),
    ("btc yesterday", "? name YESTERDAY"),
    ("курс доллара вчера", "? words"),
    ("курс битка завтра", "? words"),
    ("btc above", "? price"),
    ("alert btc", "? price"),
    ("алерт биток", "? price"),
    ("сообщи когда выше 70к", "? pair"),
    ("btc above 70k below 60k", "? contradiction"),
    ("btc rises below 60k", "? contradiction"),
    ("btc +5000", "? contradiction"),
    ("биток вырастет на 5000", "? contradiction"),
    ("btc 1h", "? contradiction"),
    ("btc через час", "? contradiction"),
    ("btc eth above 70k 80k", "? contradiction"),
    ("100 ¥", "? JPY or CNY"),
    ("100 крон в рублях", "? SEK or NOK or CZK or DKK"),
    ("100 200 300 usd", "convert 100200300 USD>"),
    ("100 usd 200 eur", "? contradiction"),
    ("btc выше 70к завтра", "? words"),
    ("", "? nothing"),
    ("😀", "? nothing"),
    ("btc 😀", "? words"),
    ("I love you", "? nothing"),
    ("спасибо", "? nothing"),
    ("btc -5", "? contradiction"),
    ("I love btc so much", "? words"),
    ("btc -5% 10s", "alert BTC -5% 0d"),
    ("btc -5% 10с", "alert BTC -5% 0d"),
    ("-5% btc", "alert BTC -5%"),
    ("сколько будет если 100 долларов в рублях", "convert 100 USD>RUB"),
    ("выше 70к", "? pair"),
];

/// After a command.
const AFTER: &[(Expect, &str, &str)] = &[
    (Expect::Alert, "BTC above 70k", "alert BTC above 70000"),
    (Expect::Alert, "BTC выше 70к", "alert BTC above 70000"),
    (Expect::Alert, "ETH -5% 1h", "alert ETH -5% 1h"),
    (Expect::Alert, "ETH -5% 1ч", "alert ETH -5% 1h"),
    (Expect::Alert, "btc 70k", "alert BTC at 70000"),
    (Expect::Alert, "70k btc", "alert BTC at 70000"),
    (Expect::Alert, "btc", "? price"),
    (Expect::Alert, "", "? price"),
    (Expect::Alert, "#12 75k", "alert #12 at 75000"),
    (Expect::Alert, "№12 выше 75к", "alert #12 above 75000"),
    (Expect::Alert, "btcc above 5", "? name BTCC"),
    (Expect::Alert, "btc eth sol above 5", "? contradiction"),
    (Expect::Rate, "btc", "rate BTC"),
    (Expect::Rate, "btcc", "? name BTCC"),
    (Expect::Rate, "btc usdt", "rate BTC/USDT"),
    (Expect::Rate, "", "? pair"),
    (Expect::Rate, "xyz abc", "? name XYZ"),
    (Expect::Convert, "100 USD RUB", "convert 100 USD>RUB"),
    (Expect::Convert, "USD RUB", "convert 1 USD>RUB"),
    (Expect::Convert, "USD 100", "convert 100 USD>"),
    (Expect::Convert, "100", "? pair"),
    (Expect::Convert, "100 xyz rub", "? name XYZ"),
    (Expect::Chart, "btc", "chart BTC"),
    (Expect::Chart, "btc usdt 7d", "chart BTC/USDT 7d"),
    (Expect::Chart, "btc 5", "? contradiction"),
];

#[test]
fn two_hundred_phrases_are_understood_or_asked_about() {
    let names = names();
    let free = FREE.iter().map(|(text, meaning)| (Expect::Anything, *text, *meaning));
    let all: Vec<_> = free.chain(AFTER.iter().copied()).collect();
    assert!(all.len() >= 200, "{}", all.len());
    let mut wrong = Vec::new();
    for (expect, text, meaning) in &all {
        let read = say(&phrase::read(text, &names, *expect));
        if read != *meaning {
            wrong.push(format!("{expect:?} {text:?}\n    wanted {meaning}\n    read   {read}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,300}") {
        let _ = phrase::read(&text, &Names::default(), Expect::Anything);
        let _ = phrase::read(&text, &Names::default(), Expect::Alert);
    }
}
