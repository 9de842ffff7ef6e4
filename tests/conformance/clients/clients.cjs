// Prints what a JavaScript client gets over the socket, as JSON: clients.cjs ethers|viem SOCKET REFUSED_METHOD...

const [client, socket, ...refused] = process.argv.slice(2);

// The code of the error that each refused method gives.
async function codes(call, codeOf) {
  const answers = refused.map((method) => call(method).then(() => null, codeOf));
  return Promise.all(answers);
}

const clients = {
  async ethers() {
    const { IpcSocketProvider } = require("ethers");
    const provider = new IpcSocketProvider(socket);
    return {
      accounts: (await provider.listAccounts()).map((account) => account.address),
      chainId: String((await provider.getNetwork()).chainId),
      version: await provider.send("web3_clientVersion", []),
      codes: await codes((method) => provider.send(method, []), (error) => error.error?.code),
    };
  },
  async viem() {
    const { createWalletClient } = require("viem");
    const { ipc } = require("viem/node");
    const wallet = createWalletClient({ transport: ipc(socket, { retryCount: 0 }) });
    return {
      accounts: await wallet.getAddresses(),
      chainId: String(await wallet.getChainId()),
      version: await wallet.request({ method: "web3_clientVersion" }),
      codes: await codes((method) => wallet.request({ method }), (error) => error.code),
    };
  },
};

// Both keep their connection open, and with it the process.
clients[client]().then(
  (listed) => {
    console.log(JSON.stringify(listed));
    process.exit(0);
  },
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
