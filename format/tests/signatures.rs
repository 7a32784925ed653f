//! Signatures at the edge of what is accepted. Libraries for Ed25519 differ on most of them, and
//! readers that differ would fold different logs. No library makes them: they come from plain
//! arithmetic on the curve, with one secret, one nonce and a point of order 8.

use esker_format::key::VerificationKey;

pub struct Case {
    pub name: &'static str,
    pub key: &'static str,
    /// What is signed, before it is hashed as a signed object is.
    pub message: &'static str,
    pub signature: &'static str,
    pub accepted: bool,
}

impl Case {
    pub fn key(&self) -> [u8; 32] {
        unhex(self.key).try_into().unwrap()
    }
    pub fn signature(&self) -> [u8; 64] {
        unhex(self.signature).try_into().unwrap()
    }
}

pub const CASES: [Case; 11] = [
    Case {
        name: "good",
        key: "f27cb81402e6860c926ff81f393d14340e41a70bc0b0195cf64a90b348cb2fc4",
        message: "esker",
        signature: "f87a22889707d326b221b2dba4102625f99227c2febe06664c8d9409eb213e21\
                    cd0da9436140c14b304c2fdf99412ca570a5ad3fda01a27c492738a4de66810c",
        accepted: true,
    },
    Case {
        name: "s_not_reduced",
        key: "f27cb81402e6860c926ff81f393d14340e41a70bc0b0195cf64a90b348cb2fc4",
        message: "esker",
        signature: "f87a22889707d326b221b2dba4102625f99227c2febe06664c8d9409eb213e21\
                    bae19ea07ba3d3a306e92682783b0bba70a5ad3fda01a27c492738a4de66811c",
        accepted: false,
    },
    Case {
        name: "r_is_the_identity",
        key: "f27cb81402e6860c926ff81f393d14340e41a70bc0b0195cf64a90b348cb2fc4",
        message: "esker",
        signature: "0100000000000000000000000000000000000000000000000000000000000000\
                    26cf134237412628abe719b8b7b72fb4151ed7f8052b31f74800c79fd8f4250b",
        accepted: false,
    },
    Case {
        name: "r_is_the_identity_not_canonical",
        key: "f27cb81402e6860c926ff81f393d14340e41a70bc0b0195cf64a90b348cb2fc4",
        message: "esker",
        signature: "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f\
                    75b49c1fff9788e42246248398657652a9ae289d7646dff36b7d0440fd68d908",
        accepted: false,
    },
    Case {
        name: "key_is_the_identity",
        key: "0100000000000000000000000000000000000000000000000000000000000000",
        message: "esker",
        signature: "f87a22889707d326b221b2dba4102625f99227c2febe06664c8d9409eb213e21\
                    03fcae421b119b26bafd00b62f5b87e41fe5abef52055e4964b82fb213f59301",
        accepted: false,
    },
    Case {
        name: "key_is_the_identity_not_canonical",
        key: "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        message: "esker",
        signature: "f87a22889707d326b221b2dba4102625f99227c2febe06664c8d9409eb213e21\
                    03fcae421b119b26bafd00b62f5b87e41fe5abef52055e4964b82fb213f59301",
        accepted: false,
    },
    Case {
        name: "key_is_the_identity_with_a_sign",
        key: "0100000000000000000000000000000000000000000000000000000000000080",
        message: "esker",
        signature: "f87a22889707d326b221b2dba4102625f99227c2febe06664c8d9409eb213e21\
                    03fcae421b119b26bafd00b62f5b87e41fe5abef52055e4964b82fb213f59301",
        accepted: false,
    },
    Case {
        name: "key_of_order_8",
        key: "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        message: "6",
        signature: "f87a22889707d326b221b2dba4102625f99227c2febe06664c8d9409eb213e21\
                    03fcae421b119b26bafd00b62f5b87e41fe5abef52055e4964b82fb213f59301",
        accepted: false,
    },
    Case {
        name: "r_with_a_part_of_order_8",
        key: "f27cb81402e6860c926ff81f393d14340e41a70bc0b0195cf64a90b348cb2fc4",
        message: "esker",
        signature: "fb15ddd1cd7684fa60e25fe9df39afdc2b12d6908402179723b4d66311f8694a\
                    7722fc44d1e3eadd3f0e7e9dea3f3b564e90087f48331a6dba75e2e1bcf64709",
        accepted: false,
    },
    Case {
        name: "key_with_a_part_of_order_8",
        key: "988b8b06afc3abd50c44e1396f4587342176485abb80721cfde8385f5e9320ce",
        message: "18",
        signature: "f87a22889707d326b221b2dba4102625f99227c2febe06664c8d9409eb213e21\
                    53d909a3b67f2a7e7b09d015cdca6df1bd90e7610bd82cf4d12a74e2c478870d",
        accepted: true,
    },
    Case {
        name: "key_with_a_part_of_order_8_that_needs_the_cofactor",
        key: "988b8b06afc3abd50c44e1396f4587342176485abb80721cfde8385f5e9320ce",
        message: "0",
        signature: "f87a22889707d326b221b2dba4102625f99227c2febe06664c8d9409eb213e21\
                    d1d7af071cec950a595c3476deea31b78d7bba0e28f8490cbcb49ed2317d5c00",
        accepted: false,
    },
];

fn unhex(text: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(byte).collect()
}

#[test]
fn only_signatures_that_every_reader_takes_are_taken() {
    for case in &CASES {
        let valid =
            VerificationKey(case.key()).verifies(case.message.as_bytes(), &case.signature());
        assert_eq!(valid, case.accepted, "{}", case.name);
    }
}
