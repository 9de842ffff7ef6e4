//! Skipping a step of the pipeline does not compile. Each case is what somebody in a hurry might write.
//!
//! `TRYBUILD=overwrite cargo test --test it compile_fail` writes the expected errors anew; read the difference before you keep it.

#[test]
fn skip_a_step_of_the_pipeline_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/it/compile_fail/*.rs");
}
