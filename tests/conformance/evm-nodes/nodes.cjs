// Has what the daemon signs mined by other people's nodes, and writes the tables of docs/interoperability.md.
//
//   nodes.cjs SOCKET TABLE CHAIN=URL...
//
// KMSIGND_TEST_SEED picks the generated transactions, KMSIGND_TEST_TRANSACTIONS how many of each type there are.

const fs = require("node:fs");
const path = require("node:path");
const solc = require("solc");
const { ethers } = require("ethers");
const { makeBlobs } = require("./blobs.cjs");
const { CASES, Chain } = require("./cases.cjs");
const { TYPES, runGenerated } = require("./generated.cjs");
const { Node } = require("./node.cjs");
const { Random } = require("./random.cjs");
const { Signer } = require("./signer.cjs");

const ASSETS = { 1: "ETH", 56: "BNB", 137: "POL" };

async function main([socket, table, ...addresses]) {
  const seed = process.env.KMSIGND_TEST_SEED ?? "1";
  const count = Number(process.env.KMSIGND_TEST_TRANSACTIONS ?? 1000);
  const signer = new Signer(socket);
  const contracts = compile();
  const blobs = await makeBlobs(new Random(`${seed} blobs`), 3);
  const chains = await Promise.all(
    Object.entries(ASSETS).map(async ([id, asset]) => {
      const urls = addresses.filter((address) => address.startsWith(`${id}=`)).map((address) => address.slice(id.length + 1));
      const nodes = await Promise.all(urls.map((url) => Node.at(url)));
      return { chainId: BigInt(id), asset, nodes, signer, contracts, blobs, random: new Random(`${seed} ${id}`) };
    }),
  );
  const names = chains[0].nodes.map(({ name, version }) => `${name} ${version}`);

  const passed = ({ chainId }, name) => console.log(`ok chain ${chainId}: ${name}`);
  await Promise.all(chains.map((chain) => new Chain(chain).run((name) => passed(chain, name))));

  const started = performance.now();
  let refusals = 0;
  for (const [type, name] of TYPES.entries()) {
    const shares = chains.map((chain, index) => {
      const share = Math.floor((count + index) / chains.length);
      return runGenerated({ ...chain, type, count: share });
    });
    const refused = (await Promise.all(shares)).flat();
    refusals += refused.length;
    for (const one of refused.slice(0, 3)) console.error(`FAILED ${name}:`, JSON.stringify(one).slice(0, 2000));
    const signed = `${name}: ${count} generated, ${count - refused.length} signed, ${refused.length} refused`;
    console.log(refused.length === 0 ? `${signed}, all mined by ${names.join(" and ")}` : signed);
  }
  console.log(`seed ${seed}, ${Math.round((performance.now() - started) / 1000)} s`);
  if (refusals > 0) throw new Error(`${refusals} transactions were refused`);

  const ids = chains.map(({ chainId }) => chainId).join(", ");
  const lines = [
    ["", ...names],
    ["---", ...names.map(() => "---")],
    ...Object.keys(CASES).map((row) => [row, ...names.map(() => ids)]),
  ];
  fs.writeFileSync(table, lines.map((cells) => `| ${cells.join(" | ")} |\n`).join(""));
}

function compile() {
  const source = fs.readFileSync(path.join(__dirname, "Peers.sol"), "utf8");
  const input = {
    language: "Solidity",
    sources: { "Peers.sol": { content: source } },
    settings: { evmVersion: "shanghai", outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } } },
  };
  const { contracts, errors = [] } = JSON.parse(solc.compile(JSON.stringify(input)));
  if (errors.length > 0) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));
  return Object.fromEntries(
    Object.entries(contracts["Peers.sol"]).map(([name, { abi, evm }]) => [
      name,
      { abi: new ethers.Interface(abi), bytecode: `0x${evm.bytecode.object}` },
    ]),
  );
}

// The sockets stay open, and with them the process.
main(process.argv.slice(2)).then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
