//! OwnKind of mistakes that one contract alone knows, among those that all know.

use std::{any::Any, fmt, sync::Arc};

/// A kind of mistake of one contract's own: its sentence is English and ends one that begins with the value's name.
pub(crate) trait OwnKind: Any + fmt::Debug + fmt::Display + Send + Sync {}

impl<T: Any + fmt::Debug + fmt::Display + Send + Sync> OwnKind for T {}

/// One of them, for its contract to find again.
#[derive(Clone, Debug)]
pub(crate) struct Own(Arc<dyn OwnKind>);

impl Own {
    pub(crate) fn new(wrong: impl OwnKind) -> Self {
        Self(Arc::new(wrong))
    }

    /// The mistake, where it is of this type.
    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        let any: &dyn Any = &*self.0;
        any.downcast_ref()
    }
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Two are equal where they say the same.
impl PartialEq for Own {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Own {}
