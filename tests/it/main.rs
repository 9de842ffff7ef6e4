mod configuration;
mod policy;
