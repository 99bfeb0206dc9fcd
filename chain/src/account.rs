//! A plain account, one transaction at a time: for setting a chain up and for playing the payer, not for the agent,
//! whose sends are recorded.

use std::time::Duration;

use alloy::{
    primitives::{Address, B256, Bytes, TxKind, U64, U128, U256},
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    abi::{self, Deals, Terms, Token, second},
    classify::{Class, classify},
    edition::Deployment,
    error::Error,
    fees::Fees,
    network::Network,
    operation::DealTerms,
    probe,
    rpc::{Call, Counts, Fault, Header, Receipt, Rpc, decode},
    transaction::Draft,
};

/// How long a transaction may take to be mined.
const MINED_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// A deal of a diamond of the second edition, as its payer presents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deal {
    /// As the chain has told it.
    pub id: U256,
    /// See [`crate::reference`].
    pub reference: B256,
    /// What it was opened with.
    pub terms: DealTerms,
}

/// An account at an endpoint.
pub struct Account {
    rpc: Rpc,
    chain_id: u64,
    signer: PrivateKeySigner,
}

impl Account {
    /// Uses a key at an endpoint, whatever network that serves.
    ///
    /// # Errors
    /// When the endpoint does not answer.
    pub async fn connect(rpc_url: SecretString, signer: PrivateKeySigner) -> Result<Self, Error> {
        let chain_id = probe::chain_number(&rpc_url).await?;
        let network = Network { id: Uuid::nil(), chain_id, rpc_urls: vec![rpc_url], confirmations: 1 };
        Ok(Self { rpc: Rpc::new(&network, Duration::from_secs(10))?, chain_id, signer })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// The network's numeric id, as the endpoint says.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Deploys a diamond.
    ///
    /// # Errors
    /// When it is refused, reverts or is not mined in time.
    pub async fn deploy_diamond(&self, deployment: &Deployment) -> Result<Address, Error> {
        self.deploy(second::diamond_creation(deployment)?).await
    }

    /// Deploys a diamond of the first edition, which belongs to this account: for tests of those that are still in use.
    ///
    /// # Errors
    /// When it is refused, reverts or is not mined in time.
    pub async fn deploy_first_diamond(&self) -> Result<Address, Error> {
        self.deploy(abi::first_diamond_creation()?).await
    }

    /// Deploys any contract, by what creates it.
    ///
    /// # Errors
    /// When it is refused, reverts or is not mined in time.
    pub async fn deploy(&self, creation: Bytes) -> Result<Address, Error> {
        let receipt = self.send(None, U256::ZERO, creation).await?;
        receipt.contract_address.ok_or_else(|| Error::Rpc("the receipt names no contract".to_owned()))
    }

    /// Deploys the test token, which anybody may mint.
    ///
    /// # Errors
    /// When it is refused, reverts or is not mined in time.
    pub async fn deploy_test_token(&self) -> Result<Address, Error> {
        self.deploy(abi::test_token_creation()?).await
    }

    /// Makes test tokens out of nothing.
    ///
    /// # Errors
    /// When it is refused, reverts or is not mined in time.
    pub async fn mint(&self, token: Address, to: Address, amount: U256) -> Result<B256, Error> {
        self.call(token, U256::ZERO, Token::mintCall { to, amount }.abi_encode().into()).await
    }

    /// Sends the network's own coin.
    ///
    /// # Errors
    /// When it is refused, reverts or is not mined in time.
    pub async fn transfer(&self, to: Address, amount: U256) -> Result<B256, Error> {
        self.call(to, amount, Bytes::new()).await
    }

    /// Lets a contract take tokens of this account.
    ///
    /// # Errors
    /// When it is refused, reverts or is not mined in time.
    pub async fn approve(&self, token: Address, spender: Address, amount: U256) -> Result<B256, Error> {
        self.call(token, U256::ZERO, Token::approveCall { spender, value: amount }.abi_encode().into()).await
    }

    /// Pays a deal: its amount in the token, which is approved first, or in the network's own coin (token zero).
    ///
    /// # Errors
    /// When it is refused, reverts (named by the contract's error) or is not mined in time.
    pub async fn deposit(&self, diamond: Address, deal: &Deal) -> Result<B256, Error> {
        let DealTerms { payee, token, amount, expires_at } = deal.terms;
        let terms = Terms { r#ref: deal.reference, payee, token, amount, expiresAt: expires_at };
        self.pay(diamond, token, amount, second::deposit(second::DealTerms::new(deal.id, &terms))).await
    }

    /// Pays a deal of a diamond of the first edition, which knows its terms.
    ///
    /// # Errors
    /// When it is refused, reverts (named by the contract's error) or is not mined in time.
    pub async fn deposit_in_first(
        &self,
        diamond: Address,
        token: Address,
        deal_id: U256,
        amount: U256,
    ) -> Result<B256, Error> {
        self.pay(diamond, token, amount, Deals::depositCall { dealId: deal_id }.abi_encode().into()).await
    }

    async fn pay(&self, diamond: Address, token: Address, amount: U256, input: Bytes) -> Result<B256, Error> {
        let value = if token.is_zero() { amount } else { U256::ZERO };
        if !token.is_zero() {
            self.approve(token, diamond, amount).await?;
        }
        self.call(diamond, value, input).await
    }

    /// Somebody's balance of a token, or of the network's own coin (token zero).
    ///
    /// # Errors
    /// When the endpoint does not answer.
    pub async fn balance(&self, token: Address, of: Address) -> Result<U256, Error> {
        let provider = self.rpc.preferred();
        if token.is_zero() {
            return decode(provider.read(Call::new("eth_getBalance", json!([of, "latest"]))).await?);
        }
        let input = Bytes::from(Token::balanceOfCall { account: of }.abi_encode());
        let call = Call::new("eth_call", json!([{"to": token, "input": input}, "latest"]));
        let answer: Bytes = decode(provider.read(call).await?)?;
        Token::balanceOfCall::abi_decode_returns(&answer).map_err(|error| Error::Rpc(format!("balanceOf: {error}")))
    }

    /// Calls a contract and waits until that is mined.
    ///
    /// # Errors
    /// When it is refused, reverts or is not mined in time.
    pub async fn call(&self, to: Address, value: U256, input: Bytes) -> Result<B256, Error> {
        Ok(self.send(Some(to), value, input).await?.transaction_hash)
    }

    async fn send(&self, to: Option<Address>, value: U256, input: Bytes) -> Result<Receipt, Error> {
        let from = self.address();
        let call = match TxKind::from(to) {
            TxKind::Call(to) => json!({"from": from, "to": to, "value": value, "input": input}),
            TxKind::Create => json!({"from": from, "input": input}),
        };
        let provider = self.rpc.preferred();
        let estimate = provider.call_all(vec![Call::new("eth_estimateGas", json!([call]))]).await.pop();
        let gas: U64 = decode(estimate.unwrap_or_else(no_answer).map_err(|fault| reverted(&fault))?)?;
        let counts = Counts::at(&provider, from).await?;
        let nonce = counts.pooled.unwrap_or(counts.mined);
        let mut facts = provider.read_all(vec![Call::price(None), Call::latest_block()]).await?.into_iter();
        let price: U128 = decode(facts.next().unwrap_or_default())?;
        let head: Option<Header> = decode(facts.next().unwrap_or_default())?;
        let price: u128 = price.to();
        let fees = match head.and_then(|head| head.base_fee()) {
            Some(_) => Fees::dynamic(price.saturating_mul(2).max(1_000_000), price.min(1_000_000)),
            None => Fees::legacy(price),
        };
        let gas_limit = gas.to::<u64>().saturating_mul(5) / 4;
        let draft = Draft { chain_id: self.chain_id, nonce, to, value, input, gas_limit, fees };
        let signed = draft.sign(&self.signer)?;
        provider.read(Call::new("eth_sendRawTransaction", json!([Bytes::from(signed.raw)]))).await?;
        match tokio::time::timeout(MINED_WITHIN, self.receipt(signed.hash)).await {
            Ok(receipt) => receipt,
            Err(_) => Err(Error::Rpc(format!("{} was not mined within {MINED_WITHIN:?}", signed.hash))),
        }
    }

    async fn receipt(&self, hash: B256) -> Result<Receipt, Error> {
        loop {
            let call = Call::new("eth_getTransactionReceipt", json!([hash]));
            let receipt: Option<Receipt> = decode(self.rpc.preferred().read(call).await?)?;
            match receipt {
                Some(receipt) if receipt.success() => return Ok(receipt),
                Some(_) => return Err(Error::Rpc(format!("{hash} reverted"))),
                None => tokio::time::sleep(POLL).await,
            }
        }
    }
}

fn no_answer() -> Result<Value, Fault> {
    Err(Fault::Lost("no answer".to_owned()))
}

fn reverted(fault: &Fault) -> Error {
    match classify(fault) {
        Class::Reverted(data) => Error::Rpc(format!("reverts: {}", abi::reason(&data.unwrap_or_default()).message)),
        _ => Error::Rpc(fault.to_string()),
    }
}
