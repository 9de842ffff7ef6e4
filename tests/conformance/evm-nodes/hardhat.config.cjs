// Hardhat takes these from a file alone. Fees start at nothing, so that every generated one is enough.
module.exports = {
  networks: {
    hardhat: {
      chainId: Number(process.env.CHAIN_ID),
      initialBaseFeePerGas: 0,
      blockGasLimit: 2 ** 36,
    },
  },
};
