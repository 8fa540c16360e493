//! Skeletons of all objects that the build script has made of a project's sources.
#![deny(warnings)]
#![allow(dead_code)]

include!(concat!(env!("OUT_DIR"), "/skeletons.rs"));
