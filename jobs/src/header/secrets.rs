//! Names of columns that look as if they held secrets, in whatever language people name them.
//!
//! A file that comes from elsewhere may have a column of passwords that no job here reads. A reader that does not read it must not keep
//! it either. So the cells of an ignored column that looks secret are redacted like those of the catalogue's own secrets. Told too
//! often is harmless, told too seldom is not.

use std::sync::LazyLock;

use icu_normalizer::DecomposingNormalizerBorrowed;

/// Found anywhere in a name, without case, marks and what stands between words.
const WITHIN: &[&str] = &[
    "password",
    "passwd",
    "passwort",
    "passphrase",
    "passcode",
    "kennwort",
    "losungswort",
    "zugangscode",
    "zugangsdaten",
    "zugangswort",
    "zugriffscode",
    "accesscode",
    "codedacces",
    "codigodeacceso",
    "codicediaccesso",
    "codicedaccesso",
    "codigodeacesso",
    "toegangscode",
    "tilgangskode",
    "atkomstkod",
    "koddostepu",
    "pristupovykod",
    "passord",
    "motdepasse",
    "contrasena",
    "contrasenya",
    "palavrapasse",
    "senha",
    "parola",
    "wachtwoord",
    "adgangskode",
    "losenord",
    "salasana",
    "haslo",
    "hasło",
    "heslo",
    "jelszo",
    "sifre",
    "lozinka",
    "geslo",
    "parole",
    "slaptazodis",
    "parool",
    "zaporka",
    "fjalekalim",
    "lykilord",
    "pwd",
    "secret",
    "geheim",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "token",
    "пароль",
    "парола",
    "лозинка",
    "κωδικοσ",
    "סיסמה",
    "密码",
    "密碼",
    "口令",
    "パスワード",
    "暗証",
    "비밀번호",
    "암호",
    "รหัสผ่าน",
    "كلمةالمرور",
    "كلمهالمرور",
    "رمزعبور",
    "mậtkhẩu",
    "matkhau",
];
/// Words that tell it when they stand alone.
const WORDS: &[&str] = &[
    "pass", "pw", "pass1", "pass2", "pin", "otp", "totp", "mfa", "puk", "passw", "mdp",
];
/// Words that only look like one.
const NOT: &[&str] = &["secretar", "secretair", "secretariat", "passwordless", "passorder"];

/// Whether a column of that name looks as if it held secrets.
pub fn looks_secret(name: &str) -> bool {
    static PLAIN: LazyLock<Vec<String>> = LazyLock::new(|| WITHIN.iter().map(|word| plain(word)).collect());
    let mut wanted = plain(name);
    for innocent in NOT {
        wanted = wanted.replace(innocent, "");
    }
    PLAIN.iter().any(|word| wanted.contains(word.as_str())) || words(name).any(|word| WORDS.contains(&word.as_str()))
}

/// The letters and digits of a name, without case and marks.
fn plain(name: &str) -> String {
    let letters = DecomposingNormalizerBorrowed::new_nfkd().normalize(name);
    let counting = letters.chars().filter(|c| c.is_alphanumeric());
    counting.flat_map(char::to_lowercase).collect()
}

/// The words of a name, by what is between them or by their capitals.
fn words(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_small) {
            words.push(String::new());
        }
        was_small = c.is_lowercase();
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
    }
    words.into_iter()
}

#[cfg(test)]
mod tests {
    use super::looks_secret;

    #[test]
    fn names_of_secrets_are_recognised_in_many_languages() {
        for name in [
            "_pwd",
            "_Kennwort",
            "_Initial password",
            "_passwort",
            "_secret",
            "_pass",
            "_PASSWORD_1",
            "_User.passwordProfile",
            "Mot de passe",
            "_contraseña",
            "Contrase\u{f1}a",
            "LÖSENORD",
            "hasło",
            "Şifre",
            "암호",
            "Mật khẩu",
            "_tempPass",
            "_PIN",
            "client-secret",
            "API key",
            "refresh_token",
            "Пароль",
            "初始密码",
            "パスワード",
            "ｐａｓｓｗｏｒｄ",
            "p a s s w o r d",
            "pass-word",
            "Zugangscode",
            "_Zugangscode",
            "Zugangsdaten",
            "Kennwort",
            "Passwort",
            "PIN",
            "access code",
            "AccessCode",
            "passcode",
            "mot de passe",
            "code d'acces",
            "Code d’accès",
            "contraseña",
            "hasło",
            "heslo",
            "lösenord",
            "passord",
            "wachtwoord",
        ] {
            assert!(looks_secret(name), "{name}");
        }
        for name in [
            "_row",
            "_code",
            "_message",
            "_note",
            "_left",
            "passport",
            "_passenger",
            "compass",
            "Secretary",
            "secretariat",
            "_opinion",
            "pinned",
            "bypass",
            "bypass order",
            "Zugang",
            "Accessories",
            "spin",
            "shipping",
            "office",
            "_ok",
            "",
        ] {
            assert!(!looks_secret(name), "{name}");
        }
    }
}
