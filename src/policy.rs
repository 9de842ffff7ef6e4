//! Who may do what: Cedar policies over callers, wallets and decoded effects. Pure: it reads no file, clock or store.
