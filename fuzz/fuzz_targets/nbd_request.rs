#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| esker_fuzz::nbd_request(data));
