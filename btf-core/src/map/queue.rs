//! Queues and stacks: values without keys.

use std::marker::PhantomData;

use super::{Flags, Map, MapType, typed};
use crate::error::{Error, Result};
use crate::pod::{self, Pod};

/// Values that come out in the order in which they went in (`BPF_MAP_TYPE_QUEUE`).
pub struct Queue<V: Pod> {
    map: Map,
    value: PhantomData<fn() -> V>,
}
typed!(Queue<V: Pod>);

/// Values of which the last one in is the first one out (`BPF_MAP_TYPE_STACK`).
pub struct Stack<V: Pod> {
    map: Map,
    value: PhantomData<fn() -> V>,
}
typed!(Stack<V: Pod>);

/// What both can do, which differs in which value is the next one.
macro_rules! values_in_order {
    ($name:ident, $what:literal, $map_type:ident, $next:literal) => {
        impl<V: Pod> TryFrom<Map> for $name<V> {
            type Error = Error;

            fn try_from(map: Map) -> Result<Self> {
                map.expect_type($what, &[MapType::$map_type])?;
                map.expect_no_keys()?;
                map.expect_size::<V>("value", map.value_size())?;
                Ok($name {
                    map,
                    value: PhantomData,
                })
            }
        }

        impl<V: Pod> $name<V> {
            /// Adds a value.
            ///
            /// # Errors
            ///
            /// What the kernel answers, with the map's name: that it is full, for instance.
            pub fn push(&self, value: &V) -> Result<()> {
                self.map.update(&[], pod::bytes_of(value), Flags::ANY)
            }

            /// Adds a value; if it is full, the oldest one goes.
            ///
            /// # Errors
            ///
            /// What the kernel answers, with the map's name.
            pub fn push_over(&self, value: &V) -> Result<()> {
                self.map.update(&[], pod::bytes_of(value), Flags::EXIST)
            }

            #[doc = concat!("Removes the ", $next, " value; `None` if there is none.")]
            ///
            /// # Errors
            ///
            /// What the kernel answers, with the map's name.
            pub fn pop(&self) -> Result<Option<V>> {
                let mut value: V = pod::zeroed();
                let there = self.map.take(&[], pod::bytes_of_mut(&mut value))?;
                Ok(there.then_some(value))
            }

            #[doc = concat!("A copy of the ", $next, " value; `None` if there is none.")]
            ///
            /// # Errors
            ///
            /// What the kernel answers, with the map's name.
            pub fn peek(&self) -> Result<Option<V>> {
                let mut value: V = pod::zeroed();
                let there = self.map.lookup(&[], pod::bytes_of_mut(&mut value))?;
                Ok(there.then_some(value))
            }
        }
    };
}
values_in_order!(Queue, "a queue", QUEUE, "oldest");
values_in_order!(Stack, "a stack", STACK, "newest");
