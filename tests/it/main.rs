mod addresses;
mod verification;
