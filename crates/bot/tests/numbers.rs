//! What is shown can be read again, is never 0 where the number is not, and never has an exponent.
//! It must not test wording.

use bot::{Language, Number, number, read_number};
use proptest::prelude::*;
use rust_decimal::Decimal;

fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

#[test]
fn prices_in_both_languages() {
    for (published, en, ru) in [
        ("67245.10000000", "67,245.10", "67 245,10"),
        ("67245.1", "67,245.10", "67 245,10"),
        ("70000", "70,000.00", "70 000,00"),
        ("92.1540", "92.1540", "92,1540"),
        ("92.15400000", "92.1540", "92,1540"),
        ("92.154", "92.154", "92,154"),
        ("1.08345", "1.08345", "1,08345"),
        ("245.5", "245.50", "245,50"),
        ("0.5", "0.50", "0,50"),
        ("0.50000000", "0.5000", "0,5000"),
        ("0.1311", "0.1311", "0,1311"),
        ("0.123456789", "0.123457", "0,123457"),
        ("0.00012345", "0.00012345", "0,00012345"),
        ("0.00001234", "0.0₄1234", "0,0₄1234"),
        ("0.000001234", "0.0₅1234", "0,0₅1234"),
        ("0.00000123450", "0.0₅1235", "0,0₅1235"),
        ("0.00000092", "0.0₆92", "0,0₆92"),
        ("0.0000999999", "0.0001000", "0,0001000"),
        ("0.99999999", "1.00", "1,00"),
        ("0.0000000000000000000000000001", "0.0₂₇1", "0,0₂₇1"),
        ("-37.63", "−37.63", "−37,63"),
        (
            "1234567890123456789012345678",
            "1,234,567,890,123,456,789,012,345,678",
            "1 234 567 890 123 456 789 012 345 678",
        ),
    ] {
        let ru = ru.replace(' ', "\u{a0}");
        assert_eq!(number::price(decimal(published), Language::En), en, "{published}");
        assert_eq!(number::price(decimal(published), Language::Ru), ru, "{published}");
    }
}

#[test]
fn changes_and_shares() {
    for (value, en, ru) in [
        ("2.31", "▲ +2.31%", "▲ +2,31\u{a0}%"),
        ("-0.4", "▼ −0.40%", "▼ −0,40\u{a0}%"),
        ("0.004", "0.00%", "0,00\u{a0}%"),
        ("-0.001", "0.00%", "0,00\u{a0}%"),
        ("1234.567", "▲ +1,234.57%", "▲ +1\u{a0}234,57\u{a0}%"),
    ] {
        assert_eq!(number::change(decimal(value), Language::En), en);
        assert_eq!(number::change(decimal(value), Language::Ru), ru);
    }
    assert_eq!(number::percent(decimal("0.03"), Language::En), "0.03%");
    assert_eq!(number::percent(decimal("0.0004"), Language::Ru), "<0,01\u{a0}%");
    assert_eq!(number::percent(Decimal::ZERO, Language::En), "0.00%");
    assert_eq!(number::brief_percent(decimal("11.06"), Language::Ru), "11\u{a0}%");
    assert_eq!(number::brief(decimal("66900.00"), Language::En), "66,900");
    assert_eq!(number::amount(decimal("0.00001614"), Language::En), "0.00001614");
}

/// Any price that can be kept: up to 28 digits, any place of the point.
fn prices() -> impl Strategy<Value = Decimal> {
    let digits = 1i128..9_999_999_999_999_999_999_999_999_999;
    let short = (1i128..10_000_000).boxed();
    (prop_oneof![short, digits.boxed()], 0u32..=28)
        .prop_map(|(mantissa, scale)| Decimal::from_i128_with_scale(mantissa, scale))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_shown_is_read_as_itself(price in prices()) {
        for language in Language::ALL {
            for text in [number::price(price, language), number::brief(price, language), number::exact(price, language)] {
                prop_assert!(!text.contains(['e', 'E']), "{text}");
                let read = read_number(&text);
                let Some(read) = read else { return Err(TestCaseError::fail(format!("{text} is not read"))) };
                prop_assert!(read.meanings().iter().all(|m| !m.is_zero()), "{text} is zero");
                let wanted = if text == number::exact(price, language) { price } else { number::shown(price) };
                prop_assert!(read.meanings().contains(&wanted), "{price} shown as {text}, read as {read:?}");
                if language == Language::En && !text.contains('₀') && text.contains('.') && text.contains(',') {
                    prop_assert_eq!(read, Number::Sure(wanted));
                }
            }
        }
    }

    #[test]
    fn what_is_shown_is_near(price in prices()) {
        let shown = number::shown(price);
        let off = (shown - price).abs();
        // Half of the last place shown, or five in a thousand where only four digits fit.
        prop_assert!(off <= Decimal::new(5, 3) || off <= price * Decimal::new(1, 3), "{price} {shown}");
        prop_assert!(shown.scale() <= price.scale().max(2), "{price} {shown}: invented digits");
    }
}
