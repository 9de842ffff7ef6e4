//! alloy with `connect_ipc` signs everything of a plan: `SOCKET PLAN`. PLAN is that of clients.py, in JSON. Each signature is
//! checked with alloy's own types, and what was got is printed in JSON.

use std::error::Error;

use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{Transaction, TxEnvelope};
use alloy_dyn_abi::TypedData;
use alloy_eips::eip2718::Decodable2718;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, Bytes, Signature, eip191_hash_message, hex};
use alloy_provider::{IpcConnect, Provider, ProviderBuilder};
use alloy_rpc_types_eth::TransactionRequest;
use serde_json::{Map, Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(socket), Some(plan)) = (arguments.next(), arguments.next()) else { return Err("usage: SOCKET PLAN".into()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", runtime.block_on(report(socket, &serde_json::from_str(&plan)?))?);
    Ok(())
}

async fn report(socket: String, plan: &Value) -> Result<Value> {
    let provider = ProviderBuilder::new().disable_recommended_fillers().connect_ipc(IpcConnect::new(socket)).await?;
    let address: Address = serde_json::from_value(plan["address"].clone())?;
    let mut signed = Map::new();

    let authorization: Value = provider.raw_request("evm_signAuthorization".into(), &plan["authorization"]).await?;
    let read: SignedAuthorization = serde_json::from_value(authorization.clone())?;
    assert_eq!(read.recover_authority()?, address);
    signed.insert("evm_signAuthorization".to_owned(), json!({ "how": "raw", "authorization": authorization }));

    for (kind, asked) in plan["transactions"].as_object().ok_or("no transactions")? {
        let mut asked = asked.clone();
        if kind == "EIP-7702" {
            asked["authorizationList"] = json!([authorization]);
        }
        let request: TransactionRequest = serde_json::from_value(asked)?;
        // Alloy's own call takes no answer but a string, where geth gives an object.
        assert!(provider.sign_transaction(request.clone()).await.is_err_and(|error| error.is_deser_error()));
        let answer: Value = provider.raw_request("eth_signTransaction".into(), [&request]).await?;
        let raw: Bytes = serde_json::from_value(answer["raw"].clone())?;
        let envelope = TxEnvelope::decode_2718_exact(&raw)?;
        assert_eq!(envelope.recover_signer()?, address);
        check(&request, &envelope);
        signed.insert(kind.clone(), json!({ "how": "raw", "raw": raw, "tx": answer["tx"] }));
    }

    let message = plan["message"].as_str().ok_or("no message")?.as_bytes();
    let data = hex::encode_prefixed(message);
    let typed: TypedData = serde_json::from_value(plan["typedData"].clone())?;
    let personal = eip191_hash_message(message);
    let structured = typed.eip712_signing_hash()?;
    for (method, params, digest) in [
        ("personal_sign", json!([data, address]), personal),
        ("eth_sign", json!([address, data]), personal),
        ("eth_signTypedData_v4", json!([address, typed]), structured),
        ("eth_signTypedData", json!([address, typed]), structured),
    ] {
        let signature: Bytes = provider.raw_request(method.into(), params).await?;
        let read = Signature::try_from(signature.as_ref())?;
        assert_eq!(read.recover_address_from_prehash(&digest)?, address, "{method}");
        signed.insert(method.to_owned(), json!({ "how": "raw", "signature": signature }));
    }

    let mut codes = Vec::new();
    for method in plan["refused"].as_array().ok_or("no methods")? {
        let name = method.as_str().ok_or("no method")?.to_owned();
        let refused = provider.raw_request::<_, Value>(name.into(), ()).await;
        codes.push(refused.err().and_then(|error| error.as_error_resp().map(|payload| payload.code)));
    }
    Ok(json!({
        "client": concat!("alloy ", env!("CARGO_PKG_VERSION")),
        "accounts": provider.get_accounts().await?,
        "chainId": provider.get_chain_id().await?,
        "version": provider.get_client_version().await?,
        "codes": codes,
        "signed": signed,
    }))
}

/// What was signed is what was asked for.
fn check(request: &TransactionRequest, signed: &TxEnvelope) {
    assert_eq!(Some(signed.tx_type() as u8), request.transaction_type);
    assert_eq!(signed.chain_id(), request.chain_id);
    assert_eq!(Some(signed.nonce()), request.nonce);
    assert_eq!(Some(signed.gas_limit()), request.gas);
    assert_eq!(Some(signed.kind()), request.to);
    assert_eq!(Some(signed.value()), request.value);
    assert_eq!(Some(signed.input()), request.input.input());
    assert_eq!(signed.gas_price(), request.gas_price);
    assert_eq!(signed.is_dynamic_fee().then(|| signed.max_fee_per_gas()), request.max_fee_per_gas);
    assert_eq!(signed.max_priority_fee_per_gas(), request.max_priority_fee_per_gas);
    assert_eq!(signed.access_list(), request.access_list.as_ref());
    assert_eq!(signed.max_fee_per_blob_gas(), request.max_fee_per_blob_gas);
    assert_eq!(signed.blob_versioned_hashes(), request.blob_versioned_hashes.as_deref());
    assert_eq!(signed.authorization_list(), request.authorization_list.as_deref());
}
