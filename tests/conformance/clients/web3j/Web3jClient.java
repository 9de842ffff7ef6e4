import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.web3j.crypto.Hash;
import org.web3j.crypto.Keys;
import org.web3j.crypto.Sign;
import org.web3j.crypto.StructuredDataEncoder;
import org.web3j.protocol.Web3j;
import org.web3j.protocol.core.Request;
import org.web3j.protocol.core.Response;
import org.web3j.protocol.ipc.UnixIpcService;
import org.web3j.rlp.RlpDecoder;
import org.web3j.rlp.RlpEncoder;
import org.web3j.rlp.RlpList;
import org.web3j.rlp.RlpString;
import org.web3j.rlp.RlpType;
import org.web3j.utils.Numeric;

/**
 * web3j with UnixIpcService signs everything of a plan: Web3jClient SOCKET PLAN. PLAN is clients.py's, in JSON. Each signature is
 * checked with web3j's own RLP, hashes and recovery, and what was got is printed in JSON.
 */
public final class Web3jClient {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final UnixIpcService service;
    private final Web3j web3j;
    private final JsonNode plan;
    private final String address;
    private final ObjectNode signed = JSON.createObjectNode();

    public static final class Answer extends Response<JsonNode> {}

    /** web3j's requests have a list of parameters; kmsignd's own methods take them by name. */
    public static final class NamedRequest extends Request<Object, Answer> {
        private final JsonNode named;

        NamedRequest(String method, JsonNode named, UnixIpcService service) {
            super(method, List.of(), service, Answer.class);
            this.named = named;
        }

        @Override
        @JsonIgnore
        public List<Object> getParams() {
            return super.getParams();
        }

        @JsonProperty("params")
        public JsonNode getNamed() {
            return named;
        }
    }

    private Web3jClient(String socket, String plan) throws Exception {
        service = new UnixIpcService(socket);
        web3j = Web3j.build(service);
        this.plan = JSON.readTree(plan);
        address = this.plan.get("address").asText();
    }

    public static void main(String[] args) throws Exception {
        Web3jClient client = new Web3jClient(args[0], args[1]);
        System.out.println(JSON.writeValueAsString(client.report()));
        // web3j keeps threads of its own.
        System.exit(0);
    }

    private ObjectNode report() throws Exception {
        JsonNode authorization = result(new NamedRequest("evm_signAuthorization", plan.get("authorization"), service));
        RlpType contract = bytes(authorization, "address");
        RlpList content = list(number(authorization, "chainId"), contract, number(authorization, "nonce"));
        recovers(Hash.sha3(concat(0x05, content)), number(authorization, "yParity"), number(authorization, "r"), number(authorization, "s"));
        signed.putObject("evm_signAuthorization").put("how", "raw").set("authorization", authorization);

        for (String kind : (Iterable<String>) () -> plan.get("transactions").fieldNames()) {
            ObjectNode asked = plan.get("transactions").get(kind).deepCopy();
            if (kind.equals("EIP-7702")) asked.putArray("authorizationList").add(authorization);
            JsonNode answer = result(raw("eth_signTransaction", asked));
            checkTransaction(asked, answer.get("raw").asText());
            signed.putObject(kind).put("how", "raw").setAll((ObjectNode) answer);
        }

        byte[] message = plan.get("message").asText().getBytes(StandardCharsets.UTF_8);
        String data = Numeric.toHexString(message);
        byte[] digest = Sign.getEthereumMessageHash(message);
        checkSignature("personal_sign", "raw", digest, result(raw("personal_sign", data, address)).asText());
        checkSignature("eth_sign", "own", digest, web3j.ethSign(address, data).send().getSignature());
        byte[] typed = new StructuredDataEncoder(plan.get("typedData").toString()).hashStructuredData();
        for (String method : List.of("eth_signTypedData_v4", "eth_signTypedData")) {
            checkSignature(method, "raw", typed, result(raw(method, address, plan.get("typedData"))).asText());
        }

        ObjectNode report = JSON.createObjectNode();
        report.put("client", "web3j " + version());
        report.set("accounts", JSON.valueToTree(web3j.ethAccounts().send().getAccounts()));
        report.put("chainId", web3j.ethChainId().send().getChainId().toString());
        report.put("version", web3j.web3ClientVersion().send().getWeb3ClientVersion());
        for (JsonNode method : plan.get("refused")) {
            report.withArray("codes").add(raw(method.asText()).send().getError().getCode());
        }
        report.set("signed", signed);
        return report;
    }

    /** web3j says it nowhere but in its file's name: core-4.12.3.jar. */
    private static String version() {
        String file = Web3j.class.getProtectionDomain().getCodeSource().getLocation().getPath();
        return file.substring(file.lastIndexOf("core-") + "core-".length(), file.length() - ".jar".length());
    }

    private Request<Object, Answer> raw(String method, Object... params) {
        return new Request<>(method, Arrays.asList(params), service, Answer.class);
    }

    private static JsonNode result(Request<?, Answer> request) throws Exception {
        Answer answer = request.send();
        if (answer.hasError()) throw new AssertionError(request.getMethod() + ": " + answer.getError().getMessage());
        return answer.getResult();
    }

    /** The signature is over the fields that were asked for, and the wallet's. */
    private void checkTransaction(JsonNode asked, String raw) throws Exception {
        int type = Numeric.decodeQuantity(asked.get("type").asText()).intValueExact();
        byte[] encoded = Numeric.hexStringToByteArray(raw);
        if (type > 0 && encoded[0] != type) throw new AssertionError("type of " + raw);
        byte[] rlp = type == 0 ? encoded : Arrays.copyOfRange(encoded, 1, encoded.length);
        List<RlpType> all = ((RlpList) RlpDecoder.decode(rlp).getValues().get(0)).getValues();

        List<RlpType> fields = new ArrayList<>();
        if (type > 0) fields.add(number(asked, "chainId"));
        fields.add(number(asked, "nonce"));
        if (type >= 2) fields.add(number(asked, "maxPriorityFeePerGas"));
        fields.add(number(asked, type >= 2 ? "maxFeePerGas" : "gasPrice"));
        fields.addAll(List.of(number(asked, "gas"), bytes(asked, "to"), number(asked, "value"), bytes(asked, "input")));
        if (type > 0) fields.add(accessList(asked.get("accessList")));
        if (type == 3) fields.addAll(List.of(number(asked, "maxFeePerBlobGas"), byteStrings(asked.get("blobVersionedHashes"))));
        if (type == 4) fields.add(authorizations(asked.get("authorizationList")));
        BigInteger v = quantity(all.get(fields.size()));
        if (type == 0) {
            BigInteger chain = Numeric.decodeQuantity(asked.get("chainId").asText());
            v = v.subtract(chain.multiply(BigInteger.TWO)).subtract(BigInteger.valueOf(35));
            fields.addAll(List.of(number(asked, "chainId"), RlpString.create(new byte[0]), RlpString.create(new byte[0])));
        }
        RlpType[] content = fields.toArray(new RlpType[0]);
        byte[] hash = Hash.sha3(type == 0 ? RlpEncoder.encode(new RlpList(content)) : concat(type, list(content)));
        int size = all.size();
        recovers(hash, RlpString.create(v), all.get(size - 2), all.get(size - 1));
    }

    private void checkSignature(String method, String how, byte[] digest, String signature) throws Exception {
        Sign.SignatureData parts = Sign.signatureDataFromHex(signature);
        recovered(Sign.signedMessageHashToKey(digest, parts));
        signed.putObject(method).put("how", how).put("signature", signature);
    }

    private void recovers(byte[] hash, RlpType yParity, RlpType r, RlpType s) throws Exception {
        byte v = (byte) (27 + quantity(yParity).intValueExact());
        Sign.SignatureData signature = new Sign.SignatureData(v, padded(r), padded(s));
        recovered(Sign.signedMessageHashToKey(hash, signature));
    }

    private void recovered(BigInteger key) {
        String from = Keys.toChecksumAddress(Keys.getAddress(key));
        if (!from.equals(address)) throw new AssertionError("signed by " + from + ", not " + address);
    }

    private static RlpList accessList(JsonNode entries) {
        List<RlpType> all = new ArrayList<>();
        for (JsonNode entry : entries) all.add(list(bytes(entry, "address"), byteStrings(entry.get("storageKeys"))));
        return new RlpList(all);
    }

    private static RlpList authorizations(JsonNode entries) {
        List<RlpType> all = new ArrayList<>();
        for (JsonNode entry : entries) {
            List<RlpType> members = new ArrayList<>();
            for (String name : List.of("chainId", "address", "nonce", "yParity", "r", "s")) {
                members.add(name.equals("address") ? bytes(entry, name) : number(entry, name));
            }
            all.add(new RlpList(members));
        }
        return new RlpList(all);
    }

    private static RlpList byteStrings(JsonNode strings) {
        List<RlpType> all = new ArrayList<>();
        for (JsonNode string : strings) all.add(RlpString.create(Numeric.hexStringToByteArray(string.asText())));
        return new RlpList(all);
    }

    private static RlpList list(RlpType... values) {
        return new RlpList(values);
    }

    private static RlpString number(JsonNode of, String name) {
        return RlpString.create(new BigInteger(of.get(name).asText().substring(2), 16));
    }

    private static RlpString bytes(JsonNode of, String name) {
        return RlpString.create(Numeric.hexStringToByteArray(of.get(name).asText()));
    }

    private static BigInteger quantity(RlpType value) {
        return new BigInteger(1, ((RlpString) value).getBytes());
    }

    private static byte[] padded(RlpType value) {
        return Numeric.toBytesPadded(quantity(value), 32);
    }

    private static byte[] concat(int type, RlpList content) {
        byte[] encoded = RlpEncoder.encode(content);
        byte[] all = new byte[encoded.length + 1];
        all[0] = (byte) type;
        System.arraycopy(encoded, 0, all, 1, encoded.length);
        return all;
    }
}
