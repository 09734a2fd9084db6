pub(crate) mod lab;
