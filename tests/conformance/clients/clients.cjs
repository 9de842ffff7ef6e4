// Has a JavaScript client sign everything of a plan over the socket: clients.cjs ethers|viem|web3js SOCKET PLAN
//
// PLAN is clients.py's, in JSON. The client checks each signature with its own library, and prints in JSON what it got.

const [client, socket, plan] = process.argv.slice(2);

// The sockets stay open, and with them the process.
require(`./${client}.cjs`)(socket, JSON.parse(plan)).then(
  (report) => {
    console.log(JSON.stringify(report));
    process.exit(0);
  },
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
