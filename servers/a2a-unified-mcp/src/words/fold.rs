//! One form for what the index takes for the same: case, accents, endings.

use super::stem::stem;

/// Lower case without the accents of Latin letters (U+00C0 to U+017F) and combining marks.
pub(crate) fn fold(word: &str) -> String {
    let mut folded = String::with_capacity(word.len());
    for character in word.chars() {
        if character.is_ascii() {
            folded.push(character.to_ascii_lowercase());
        } else {
            let lower = character.to_lowercase().next().unwrap_or(character);
            if !is_accent(lower) {
                folded.push(plain(lower));
            }
        }
    }
    folded
}

/// The form of a word that the index holds.
pub(crate) fn stem_of(word: &str) -> String {
    stem(&fold(word))
}

/// Marks that are written on letters: accents, and the vowel signs of the scripts of South and
/// Southeast Asia that are not letters to [`char::is_alphanumeric`].
pub(super) fn is_mark(character: char) -> bool {
    is_accent(character) || matches!(character, '\u{900}'..='\u{109F}' | '\u{1A00}'..='\u{1BFF}')
}

fn is_accent(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36F}')
}

/// The letter below the accent, lower case in and out.
fn plain(letter: char) -> char {
    match letter {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => 'c',
        'ď' => 'd',
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => 'e',
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => 'g',
        'ĥ' => 'h',
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' => 'i',
        'ĵ' => 'j',
        'ķ' => 'k',
        'ĺ' | 'ļ' | 'ľ' => 'l',
        'ñ' | 'ń' | 'ņ' | 'ň' => 'n',
        'ò'..='ö' | 'ō' | 'ŏ' | 'ő' => 'o',
        'ŕ' | 'ŗ' | 'ř' => 'r',
        'ś' | 'ŝ' | 'ş' | 'š' => 's',
        'ţ' | 'ť' => 't',
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => 'u',
        'ŵ' => 'w',
        'ý' | 'ÿ' | 'ŷ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        other => other,
    }
}
