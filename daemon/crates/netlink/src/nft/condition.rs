//! Conditions of several expressions that are asked for often.

use super::expression::{Comparison, CtKey, Expression, MetaKey, Register};

impl Expression {
    /// The input interface is this one.
    #[must_use]
    pub fn input_is(name: &str) -> [Self; 2] {
        Self::interface(MetaKey::InputInterface, Comparison::Equal, name)
    }

    /// The input interface is not this one.
    #[must_use]
    pub fn input_is_not(name: &str) -> [Self; 2] {
        Self::interface(MetaKey::InputInterface, Comparison::NotEqual, name)
    }

    /// The output interface is this one.
    #[must_use]
    pub fn output_is(name: &str) -> [Self; 2] {
        Self::interface(MetaKey::OutputInterface, Comparison::Equal, name)
    }

    /// The output interface is not this one.
    #[must_use]
    pub fn output_is_not(name: &str) -> [Self; 2] {
        Self::interface(MetaKey::OutputInterface, Comparison::NotEqual, name)
    }

    fn interface(key: MetaKey, how: Comparison, name: &str) -> [Self; 2] {
        let register = Register(0);
        let value = super::set::interface_name(name).to_vec();
        [
            Self::Meta { key, to: register },
            Self::Compare {
                register,
                how,
                value,
            },
        ]
    }

    /// One of these bits of the connection is set.
    #[must_use]
    pub fn ct_has(key: CtKey, bits: u32) -> [Self; 3] {
        let register = Register(0);
        [
            Self::Ct { key, to: register },
            Self::Mask {
                register,
                mask: bits,
            },
            Self::Compare {
                register,
                how: Comparison::NotEqual,
                value: vec![0; 4],
            },
        ]
    }
}
