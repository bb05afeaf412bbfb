//! The pickle inside a PyTorch file, read as data.
//!
//! Comes in: the bytes of `data.pkl`. Goes out: the tensors of the dictionary that they describe, each as a part of a
//! storage. A pickle is a program for a stack machine; this machine knows only the instructions that `torch.save` uses
//! for dictionaries of tensors, and never calls, imports or constructs anything. Values are copied, not shared, and
//! kept in flat lists, so that no pickle nests or grows them beyond [`VALUES_LIMIT`].

use std::collections::BTreeMap;

use super::{DIMENSIONS_LIMIT, shown};
use instructions::*;

/// The instructions that are known, as Python's `pickletools` names them.
mod instructions {
    pub const APPEND: u8 = b'a';
    pub const APPENDS: u8 = b'e';
    pub const BINFLOAT: u8 = b'G';
    pub const BINGET: u8 = b'h';
    pub const BININT: u8 = b'J';
    pub const BININT1: u8 = b'K';
    pub const BININT2: u8 = b'M';
    pub const BINPERSID: u8 = b'Q';
    pub const BINPUT: u8 = b'q';
    pub const BINUNICODE: u8 = b'X';
    pub const BUILD: u8 = b'b';
    pub const EMPTY_DICT: u8 = b'}';
    pub const EMPTY_LIST: u8 = b']';
    pub const EMPTY_TUPLE: u8 = b')';
    pub const FRAME: u8 = 0x95;
    pub const GLOBAL: u8 = b'c';
    pub const LONG1: u8 = 0x8a;
    pub const LONG_BINGET: u8 = b'j';
    pub const LONG_BINPUT: u8 = b'r';
    pub const MARK: u8 = b'(';
    pub const MEMOIZE: u8 = 0x94;
    pub const NEWFALSE: u8 = 0x89;
    pub const NEWTRUE: u8 = 0x88;
    pub const NONE: u8 = b'N';
    pub const PROTO: u8 = 0x80;
    pub const REDUCE: u8 = b'R';
    pub const SETITEM: u8 = b's';
    pub const SETITEMS: u8 = b'u';
    pub const SHORT_BINUNICODE: u8 = 0x8c;
    pub const STACK_GLOBAL: u8 = 0x93;
    pub const STOP: u8 = b'.';
    pub const TUPLE: u8 = b't';
    pub const TUPLE1: u8 = 0x85;
    pub const TUPLE2: u8 = 0x86;
    pub const TUPLE3: u8 = 0x87;
}

/// Values in each of the machine's lists; a state dictionary has about 20 a tensor.
const VALUES_LIMIT: usize = 1 << 16;

/// What is wrong with a pickle: the end of a sentence that names the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    #[error("its pickle ends in the middle")]
    CutOff,
    #[error("its pickle uses the instruction 0x{0:02x}, which no dictionary of tensors needs")]
    Instruction(u8),
    #[error("its pickle asks for {0}, which no dictionary of tensors needs; nothing of it was run")]
    Global(String),
    #[error("its pickle makes no sense: {0}")]
    Malformed(&'static str),
    #[error("its pickle makes more values than a dictionary of tensors needs")]
    TooMany,
    #[error("it holds no dictionary of tensors")]
    NoTensors,
    #[error("it names the tensor {0} twice")]
    NamedTwice(String),
    #[error("its tensor {0} has a shape that makes no sense")]
    Shape(String),
}

/// A tensor as the pickle describes it.
#[derive(Debug, PartialEq)]
pub struct PickledTensor<'a> {
    pub name: &'a str,
    /// The storage's name in the archive.
    pub storage: &'a str,
    /// The class of the storage, such as `FloatStorage`.
    pub class: &'a str,
    /// In numbers from the storage's start.
    pub offset: u64,
    pub shape: Vec<usize>,
    pub strides: Vec<u64>,
}

/// The tensors of a dictionary, or of the dictionary named `state_dict` or `model` in it.
pub fn tensors(pickle: &[u8]) -> Result<Vec<PickledTensor<'_>>, PickleError> {
    let mut machine = Machine::new(pickle);
    let Value::Dictionary(root) = machine.run()? else { return Err(PickleError::NoTensors) };
    let mut found = machine.tensors_of(root)?;
    for name in ["state_dict", "model"] {
        if found.is_empty()
            && let Some(Value::Dictionary(inner)) = machine.entry(root, name)
        {
            found = machine.tensors_of(inner)?;
        }
    }
    if found.is_empty() { Err(PickleError::NoTensors) } else { Ok(found) }
}

/// A part of [`Machine::items`].
#[derive(Clone, Copy)]
struct Items {
    start: usize,
    end: usize,
}

#[derive(Clone, Copy)]
enum Value<'a> {
    /// What no tensor depends on: None, a truth value, a list.
    Nothing,
    Integer(i64),
    Text(&'a str),
    Tuple(Items),
    /// A place in [`Machine::dictionaries`].
    Dictionary(usize),
    Global(Global<'a>),
    Storage(Storage<'a>),
    /// A place in [`Machine::tensors`].
    Tensor(usize),
}

#[derive(Clone, Copy)]
enum Global<'a> {
    OrderedDictionary,
    RebuildTensor,
    RebuildParameter,
    StorageClass(&'a str),
}

#[derive(Clone, Copy)]
struct Storage<'a> {
    class: &'a str,
    name: &'a str,
}

#[derive(Clone, Copy)]
struct Tensor<'a> {
    storage: Storage<'a>,
    offset: i64,
    shape: Items,
    strides: Items,
}

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value<'a>>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Value<'a>>,
    /// What tuples hold.
    items: Vec<Value<'a>>,
    dictionaries: Vec<Vec<(Value<'a>, Value<'a>)>>,
    /// In all dictionaries together.
    entries: usize,
    tensors: Vec<Tensor<'a>>,
}

impl<'a> Machine<'a> {
    fn new(pickle: &'a [u8]) -> Self {
        Self {
            rest: pickle,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: BTreeMap::new(),
            items: Vec::new(),
            dictionaries: Vec::new(),
            entries: 0,
            tensors: Vec::new(),
        }
    }

    /// Up to STOP.
    fn run(&mut self) -> Result<Value<'a>, PickleError> {
        loop {
            let [instruction] = self.take()?;
            match instruction {
                STOP => return self.pop(),
                PROTO => self.skip(1)?,
                FRAME => self.skip(8)?,
                MARK => self.mark()?,
                NONE | NEWTRUE | NEWFALSE | EMPTY_LIST => self.push(Value::Nothing)?,
                BINFLOAT => self.skip(8).and_then(|()| self.push(Value::Nothing))?,
                BININT1 => self.unsigned::<1>()?,
                BININT2 => self.unsigned::<2>()?,
                BININT => self.signed(4)?,
                LONG1 => self.long()?,
                BINUNICODE => self.text::<4>()?,
                SHORT_BINUNICODE => self.text::<1>()?,
                EMPTY_DICT => self.dictionary()?,
                EMPTY_TUPLE => self.tuple(0)?,
                TUPLE1 => self.tuple(1)?,
                TUPLE2 => self.tuple(2)?,
                TUPLE3 => self.tuple(3)?,
                TUPLE => self.marked().and_then(|count| self.tuple(count))?,
                APPEND => self.popped(1).map(drop)?,
                APPENDS => self.marked().and_then(|count| self.popped(count).map(drop))?,
                SETITEM => self.set_items(2)?,
                SETITEMS => self.marked().and_then(|count| self.set_items(count))?,
                BINPUT => self.index::<1>().and_then(|index| self.remember(index))?,
                LONG_BINPUT => self.index::<4>().and_then(|index| self.remember(index))?,
                MEMOIZE => self.remember(self.memo.len() as u32)?,
                BINGET => self.index::<1>().and_then(|index| self.recall(index))?,
                LONG_BINGET => self.index::<4>().and_then(|index| self.recall(index))?,
                GLOBAL => self.named_global()?,
                STACK_GLOBAL => self.stacked_global()?,
                BINPERSID => self.storage()?,
                REDUCE => self.reduce()?,
                BUILD => self.build()?,
                other => return Err(PickleError::Instruction(other)),
            }
        }
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], PickleError> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(PickleError::CutOff)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn take<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], PickleError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(PickleError::CutOff)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn skip(&mut self, count: usize) -> Result<(), PickleError> {
        self.bytes(count).map(drop)
    }

    fn index<const COUNT: usize>(&mut self) -> Result<u32, PickleError> {
        Ok(self.take::<COUNT>()?.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte)))
    }

    fn unsigned<const COUNT: usize>(&mut self) -> Result<(), PickleError> {
        let number = self.index::<COUNT>()?;
        self.push(Value::Integer(number.into()))
    }

    /// Two's complement in `count` bytes.
    fn signed(&mut self, count: usize) -> Result<(), PickleError> {
        let bytes = self.bytes(count)?;
        let sign = if bytes.last().is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 };
        let mut number = [sign; 8];
        let low = number.get_mut(..count).ok_or(PickleError::Malformed("an integer is too large"))?;
        low.copy_from_slice(bytes);
        self.push(Value::Integer(i64::from_le_bytes(number)))
    }

    fn long(&mut self) -> Result<(), PickleError> {
        let [count] = self.take()?;
        self.signed(count.into())
    }

    fn text<const COUNT: usize>(&mut self) -> Result<(), PickleError> {
        let length = self.index::<COUNT>()? as usize;
        let bytes = self.bytes(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| PickleError::Malformed("a text is not UTF-8"))?;
        self.push(Value::Text(text))
    }

    /// The rest of a line.
    fn line(&mut self) -> Result<&'a str, PickleError> {
        let length = self.rest.iter().position(|&byte| byte == b'\n').ok_or(PickleError::CutOff)?;
        let line = self.bytes(length)?;
        self.skip(1)?;
        std::str::from_utf8(line).map_err(|_| PickleError::Malformed("a text is not UTF-8"))
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), PickleError> {
        room(self.stack.len())?;
        self.stack.push(value);
        Ok(())
    }

    fn mark(&mut self) -> Result<(), PickleError> {
        room(self.marks.len())?;
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// Takes the last mark away and counts the values above it.
    fn marked(&mut self) -> Result<usize, PickleError> {
        let mark = self.marks.pop().ok_or(PickleError::Malformed("a mark is missing"))?;
        Ok(self.stack.len() - mark)
    }

    fn popped(&mut self, count: usize) -> Result<std::vec::Drain<'_, Value<'a>>, PickleError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let start = self.stack.len().checked_sub(count).filter(|&start| start >= floor);
        Ok(self.stack.drain(start.ok_or(PickleError::Malformed("a value is missing"))?..))
    }

    fn pop(&mut self) -> Result<Value<'a>, PickleError> {
        self.popped(1)?.next().ok_or(PickleError::Malformed("a value is missing"))
    }

    fn top(&self) -> Result<Value<'a>, PickleError> {
        self.stack.last().copied().ok_or(PickleError::Malformed("a value is missing"))
    }

    fn tuple(&mut self, count: usize) -> Result<(), PickleError> {
        let start = self.items.len();
        let values: Vec<_> = self.popped(count)?.collect();
        self.items.extend(values);
        room(self.items.len())?;
        self.push(Value::Tuple(Items { start, end: start + count }))
    }

    fn items(&self, items: Items) -> &[Value<'a>] {
        self.items.get(items.start..items.end).unwrap_or_default()
    }

    fn dictionary(&mut self) -> Result<(), PickleError> {
        room(self.dictionaries.len())?;
        self.push(Value::Dictionary(self.dictionaries.len()))?;
        self.dictionaries.push(Vec::new());
        Ok(())
    }

    /// The last `count` values are keys and values of the dictionary below them.
    fn set_items(&mut self, count: usize) -> Result<(), PickleError> {
        let values: Vec<_> = self.popped(count)?.collect();
        let Value::Dictionary(index) = self.top()? else {
            return Err(PickleError::Malformed("items are set in what is no dictionary"));
        };
        let (pairs, odd) = values.as_chunks();
        let dictionary = self.dictionaries.get_mut(index).filter(|_| odd.is_empty());
        let dictionary = dictionary.ok_or(PickleError::Malformed("a key has no value"))?;
        self.entries += pairs.len();
        room(self.entries)?;
        dictionary.extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    fn remember(&mut self, index: u32) -> Result<(), PickleError> {
        room(self.memo.len())?;
        self.memo.insert(index, self.top()?);
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<(), PickleError> {
        let value = *self.memo.get(&index).ok_or(PickleError::Malformed("a remembered value is missing"))?;
        self.push(value)
    }

    fn named_global(&mut self) -> Result<(), PickleError> {
        let (module, name) = (self.line()?, self.line()?);
        self.push(Value::Global(global(module, name)?))
    }

    fn stacked_global(&mut self) -> Result<(), PickleError> {
        let (Value::Text(name), Value::Text(module)) = (self.pop()?, self.pop()?) else {
            return Err(PickleError::Malformed("a global's name is no text"));
        };
        self.push(Value::Global(global(module, name)?))
    }

    /// `('storage', class, name, device, numbers)`
    fn storage(&mut self) -> Result<(), PickleError> {
        let Value::Tuple(items) = self.pop()? else { return Err(PickleError::Malformed("a storage is no tuple")) };
        let &[Value::Text("storage"), Value::Global(Global::StorageClass(class)), Value::Text(name), _, _] =
            self.items(items)
        else {
            return Err(PickleError::Malformed("a storage is not described as torch does"));
        };
        self.push(Value::Storage(Storage { class, name }))
    }

    /// What a call of one of the known globals would give.
    fn reduce(&mut self) -> Result<(), PickleError> {
        let (Value::Tuple(arguments), Value::Global(global)) = (self.pop()?, self.pop()?) else {
            return Err(PickleError::Malformed("what is no function is called"));
        };
        match (global, self.items(arguments)) {
            (Global::OrderedDictionary, []) => self.dictionary(),
            (Global::RebuildParameter, &[tensor @ Value::Tensor(_), ..]) => self.push(tensor),
            (
                Global::RebuildTensor,
                &[Value::Storage(storage), Value::Integer(offset), Value::Tuple(shape), Value::Tuple(strides), ..],
            ) => {
                room(self.tensors.len())?;
                self.tensors.push(Tensor { storage, offset, shape, strides });
                self.push(Value::Tensor(self.tensors.len() - 1))
            }
            _ => Err(PickleError::Malformed("a tensor is not described as torch does")),
        }
    }

    /// Attributes of a dictionary, which hold no tensors.
    fn build(&mut self) -> Result<(), PickleError> {
        self.pop()?;
        match self.top()? {
            Value::Dictionary(_) => Ok(()),
            _ => Err(PickleError::Malformed("attributes are set on what is no dictionary")),
        }
    }

    fn entry(&self, dictionary: usize, name: &str) -> Option<Value<'a>> {
        let named = |(key, _): &&(_, _)| matches!(key, Value::Text(key) if *key == name);
        self.dictionaries.get(dictionary)?.iter().find(named).map(|&(_, value)| value)
    }

    fn tensors_of(&self, dictionary: usize) -> Result<Vec<PickledTensor<'a>>, PickleError> {
        let mut names = std::collections::BTreeSet::new();
        let mut tensors = Vec::new();
        for entry in self.dictionaries.get(dictionary).into_iter().flatten() {
            let &(Value::Text(name), Value::Tensor(index)) = entry else { continue };
            if !names.insert(name) {
                return Err(PickleError::NamedTwice(shown(name)));
            }
            let described = self.tensors.get(index).and_then(|tensor| self.describe(name, tensor));
            tensors.push(described.ok_or_else(|| PickleError::Shape(shown(name)))?);
        }
        Ok(tensors)
    }

    fn describe(&self, name: &'a str, tensor: &Tensor<'a>) -> Option<PickledTensor<'a>> {
        let (shape, strides) = (self.items(tensor.shape), self.items(tensor.strides));
        if shape.len() != strides.len() || shape.len() > DIMENSIONS_LIMIT {
            return None;
        }
        Some(PickledTensor {
            name,
            storage: tensor.storage.name,
            class: tensor.storage.class,
            offset: tensor.offset.try_into().ok()?,
            shape: shape.iter().map(integer).collect::<Option<_>>()?,
            strides: strides.iter().map(integer).collect::<Option<_>>()?,
        })
    }
}

fn integer<N: TryFrom<i64>>(value: &Value) -> Option<N> {
    match *value {
        Value::Integer(integer) => integer.try_into().ok(),
        _ => None,
    }
}

fn room(length: usize) -> Result<(), PickleError> {
    if length < VALUES_LIMIT { Ok(()) } else { Err(PickleError::TooMany) }
}

/// The only names that a pickle may ask for.
fn global<'a>(module: &'a str, name: &'a str) -> Result<Global<'a>, PickleError> {
    match (module, name) {
        ("collections", "OrderedDict") => Ok(Global::OrderedDictionary),
        ("torch._utils", "_rebuild_tensor_v2") => Ok(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter") => Ok(Global::RebuildParameter),
        ("torch", class) if super::pytorch::numbers_of(class).is_some() => Ok(Global::StorageClass(class)),
        _ => Err(PickleError::Global(shown(&format!("{module}.{name}")))),
    }
}
