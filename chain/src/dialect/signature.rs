//! Functions and events written as in Solidity, whose parameters bear our names. Every value is one word of 32 bytes.

use alloy::{
    dyn_abi::DynSolType,
    json_abi::{Event, EventParam, Function, Param},
    primitives::{B256, Bytes, U256},
};

/// What a parameter stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Ref,
    DealId,
    Payee,
    Token,
    Amount,
    ExpiresAt,
    Payer,
    State,
    Account,
}

const NAMES: [(Name, &str); 9] = [
    (Name::Ref, "ref"),
    (Name::DealId, "dealId"),
    (Name::Payee, "payee"),
    (Name::Token, "token"),
    (Name::Amount, "amount"),
    (Name::ExpiresAt, "expiresAt"),
    (Name::Payer, "payer"),
    (Name::State, "state"),
    (Name::Account, "account"),
];

impl Name {
    pub(super) fn text(self) -> &'static str {
        NAMES[self as usize].1
    }

    fn fits(self, ty: &DynSolType) -> bool {
        match self {
            Self::Ref => *ty == DynSolType::FixedBytes(32),
            Self::DealId | Self::Amount | Self::ExpiresAt | Self::State => matches!(ty, DynSolType::Uint(_)),
            Self::Payee | Self::Token | Self::Payer | Self::Account => *ty == DynSolType::Address,
        }
    }
}

/// The values of some names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Values([Option<U256>; NAMES.len()]);

impl Values {
    pub(super) fn with(mut self, name: Name, value: U256) -> Self {
        self.0[name as usize] = Some(value);
        self
    }

    pub(super) fn get(&self, name: Name) -> Option<U256> {
        self.0[name as usize]
    }
}

/// A parameter or a returned value; without a name it is skipped.
#[derive(Clone, Debug)]
struct Place {
    name: Option<Name>,
    ty: DynSolType,
}

impl Place {
    fn parse(name: &str, ty: &str) -> Result<Self, String> {
        let ty = DynSolType::parse(ty).map_err(|_| format!("`{ty}` is no type"))?;
        let one_word = matches!(
            ty,
            DynSolType::Address
                | DynSolType::Bool
                | DynSolType::Uint(_)
                | DynSolType::Int(_)
                | DynSolType::FixedBytes(_)
        );
        if !one_word {
            return Err(format!("`{ty}` is more than one word, which is not supported"));
        }
        if name.is_empty() || name.starts_with('_') {
            return Ok(Self { name: None, ty });
        }
        let known = NAMES.iter().find(|(_, text)| *text == name).map(|(name, _)| *name);
        let known = known.ok_or_else(|| {
            let names = NAMES.map(|(_, text)| text).join(", ");
            format!("`{name}` is none of {names}; begin the name with _ to skip what it stands for")
        })?;
        if known.fits(&ty) { Ok(Self { name: Some(known), ty }) } else { Err(format!("`{name}` cannot be a `{ty}`")) }
    }

    fn holds(&self, value: U256) -> bool {
        match self.ty {
            DynSolType::Address => value.bit_len() <= 160,
            DynSolType::Uint(bits) => value.bit_len() <= bits,
            _ => true,
        }
    }

    fn read(&self, word: B256, values: &mut Values) -> Option<()> {
        let Some(name) = self.name else { return Some(()) };
        let value = U256::from_be_bytes(word.0);
        if !self.holds(value) {
            return None;
        }
        values.0[name as usize] = Some(value);
        Some(())
    }
}

fn read_all(places: &[Place], data: &[u8], values: &mut Values) -> Option<()> {
    for (index, place) in places.iter().enumerate() {
        let word = data.get(index * 32..index * 32 + 32)?;
        place.read(B256::from_slice(word), values)?;
    }
    Some(())
}

/// Whether names occur once at most, and all of those that are needed.
fn complete<'a>(places: impl Iterator<Item = &'a Place>, needed: &[Name]) -> Result<(), String> {
    let names: Vec<Name> = places.filter_map(|place| place.name).collect();
    if let Some(name) = names.iter().find(|name| names.iter().filter(|other| other == name).count() > 1) {
        return Err(format!("`{}` occurs twice", name.text()));
    }
    match needed.iter().find(|name| !names.contains(name)) {
        Some(name) => Err(format!("lacks `{}`", name.text())),
        None => Ok(()),
    }
}

/// A function of a contract.
#[derive(Clone, Debug)]
pub(super) struct FunctionSignature {
    pub(super) function: Function,
    inputs: Vec<Place>,
    outputs: Vec<Place>,
}

impl FunctionSignature {
    /// `needed` are the names that its parameters must have, `returned` those of what it returns.
    pub(super) fn parse(text: &str, needed: &[Name], returned: &[Name]) -> Result<Self, String> {
        let function = Function::parse(text).map_err(|_| "is no function as Solidity writes it".to_owned())?;
        let places = |params: &[Param]| -> Result<Vec<Place>, String> {
            params.iter().map(|param| Place::parse(&param.name, &param.ty)).collect()
        };
        let (inputs, outputs) = (places(&function.inputs)?, places(&function.outputs)?);
        if inputs.iter().any(|place| place.name.is_none()) {
            return Err("has a parameter that stands for nothing that is known here".to_owned());
        }
        complete(inputs.iter(), needed)?;
        complete(outputs.iter(), returned)?;
        Ok(Self { function, inputs, outputs })
    }

    pub(super) fn selector(&self) -> [u8; 4] {
        self.function.selector().0
    }

    pub(super) fn takes(&self, name: Name) -> bool {
        self.inputs.iter().any(|place| place.name == Some(name))
    }

    pub(super) fn returns(&self, name: Name) -> bool {
        self.outputs.iter().any(|place| place.name == Some(name))
    }

    /// The names of its parameters, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = Name> {
        self.inputs.iter().filter_map(|place| place.name)
    }

    /// The call with these values.
    ///
    /// # Errors
    /// The name of a value that is lacking, or that its type does not hold.
    pub(super) fn encode(&self, values: &Values) -> Result<Bytes, Name> {
        let mut input = self.selector().to_vec();
        for place in &self.inputs {
            let Some(name) = place.name else { continue };
            let value = values.get(name).filter(|value| place.holds(*value)).ok_or(name)?;
            input.extend(value.to_be_bytes::<32>());
        }
        Ok(input.into())
    }

    /// `None` when there is less than it returns, or something that its types do not hold.
    pub(super) fn decode(&self, answer: &[u8]) -> Option<Values> {
        let mut values = Values::default();
        read_all(&self.outputs, answer, &mut values)?;
        Some(values)
    }
}

/// An event of a contract.
#[derive(Clone, Debug)]
pub(super) struct EventSignature {
    pub(super) topic: B256,
    indexed: Vec<Place>,
    plain: Vec<Place>,
}

impl EventSignature {
    pub(super) fn parse(text: &str, needed: &[Name]) -> Result<Self, String> {
        let event = Event::parse(text).map_err(|_| "is no event as Solidity writes it".to_owned())?;
        let places = |indexed: bool| -> Result<Vec<Place>, String> {
            let of_kind = event.inputs.iter().filter(|param: &&EventParam| param.indexed == indexed);
            of_kind.map(|param| Place::parse(&param.name, &param.ty)).collect()
        };
        let (indexed, plain) = (places(true)?, places(false)?);
        complete(indexed.iter().chain(&plain), needed)?;
        Ok(Self { topic: event.selector(), indexed, plain })
    }

    pub(super) fn has(&self, name: Name) -> bool {
        self.indexed.iter().chain(&self.plain).any(|place| place.name == Some(name))
    }

    pub(super) fn decode(&self, topics: &[B256], data: &[u8]) -> Option<Values> {
        let (first, rest) = topics.split_first()?;
        if *first != self.topic || rest.len() != self.indexed.len() {
            return None;
        }
        let mut values = Values::default();
        for (place, word) in self.indexed.iter().zip(rest) {
            place.read(*word, &mut values)?;
        }
        read_all(&self.plain, data, &mut values)?;
        Some(values)
    }
}
