//! Values that are one of a few words.

/// One of a few words; made by `choices!`.
pub(crate) trait Choice: Copy + 'static {
    /// Every word and what it stands for, in the order in which people are told of them.
    const WORDS: &'static [(&'static str, Self)];

    /// The choice of that word. ASCII case is ignored.
    fn of_word(word: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(word))
            .map(|(_, choice)| *choice)
    }
}

/// Declares an enum whose variants are written as words.
macro_rules! choices {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// Every choice there is.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The word as files and stores write it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }

            /// The choice of that word, if it is one. ASCII case is ignored.
            pub fn parse(word: &str) -> Option<Self> {
                $crate::choice::Choice::of_word(word)
            }
        }

        impl $crate::choice::Choice for $name {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, $name::$variant)),+];
        }
    };
}
