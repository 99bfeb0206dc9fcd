import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.OffsetDateTime;
import java.util.Base64;
import java.util.UUID;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import quittance.ApiClient;
import quittance.api.AuthenticationApi;
import quittance.api.PaymentsApi;
import quittance.model.Credentials;
import quittance.model.EventPaymentChanged;
import quittance.model.Money;
import quittance.model.NewPayment;
import quittance.model.NewPaymentMethod;
import quittance.model.Payment;
import quittance.model.PaymentGroup;
import quittance.model.PaymentStatus;

/**
 * Creates a payment, reads and cancels it with a client that openapi-generator (java, native) has generated, or verifies an
 * event: {@code java MainJob pay BOOTSTRAP_JSON}, {@code java MainJob verify EVENT_JSON}.
 */
public final class MainJob {
    public static void main(String[] arguments) throws Exception {
        JsonNode given = new ObjectMapper().readTree(Path.of(arguments[1]).toFile());
        if (arguments[0].equals("pay")) {
            pay(given);
        } else {
            verify(given);
        }
    }

    private static void pay(JsonNode bootstrap) throws Exception {
        ApiClient client = new ApiClient();
        client.updateBaseUri(bootstrap.get("base_url").asText());
        JsonNode integration = bootstrap.get("integration");
        Credentials credentials = new Credentials()
            .apiKey(integration.get("api_key").asText())
            .secretKey(integration.get("secret_key").asText());
        String token = new AuthenticationApi(client).authenticate(null, null, credentials).getAccessToken();
        client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + token));
        PaymentsApi payments = new PaymentsApi(client);
        String order = "java-" + UUID.randomUUID();
        NewPayment wanted = new NewPayment()
            .externalId(order)
            .nodeId(UUID.fromString(bootstrap.get("node_id").asText()))
            .networkId(UUID.fromString(bootstrap.get("network_id").asText()))
            .currencyId(UUID.fromString(bootstrap.get("currencies").get("USDT").asText()))
            .price(new Money("12.50"))
            .paidPrice(new Money(12.5))
            .paymentMethod(NewPaymentMethod.WEB3)
            .paymentGroup(PaymentGroup.PRODUCT)
            .paymentAddress("0x70997970c51812dc3a010c7d01b50e0d17dc79c8")
            .expiresAt(OffsetDateTime.now().plusHours(1));
        Payment created = payments.createPayment(wanted, order);
        require(created.getPriceText().equals("12.5"), created.getPriceText());
        payments.cancelPayment(created.getId(), null);
        long patience = System.nanoTime() + 60_000_000_000L;
        while (payments.getPayment(created.getId()).getStatus() != PaymentStatus.CANCELED) {
            require(System.nanoTime() < patience, created.getId() + " is still not canceled");
            Thread.sleep(250);
        }
        System.out.println(created.getId());
    }

    /** What Standard Webhooks ask for; their Java library is not needed for it. */
    private static void verify(JsonNode received) throws Exception {
        JsonNode headers = received.get("headers");
        String body = received.get("body").asText();
        String timestamp = headers.get("webhook-timestamp").asText();
        long age = Math.abs(System.currentTimeMillis() / 1000 - Long.parseLong(timestamp));
        require(age < 300, "too old");
        byte[] secret = Base64.getDecoder().decode(received.get("secret").asText().substring("whsec_".length()));
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(secret, "HmacSHA256"));
        String signed = headers.get("webhook-id").asText() + "." + timestamp + "." + body;
        byte[] wanted = mac.doFinal(signed.getBytes(StandardCharsets.UTF_8));
        boolean known = false;
        for (String signature : headers.get("webhook-signature").asText().split(" ")) {
            if (signature.startsWith("v1,")) {
                known |= MessageDigest.isEqual(Base64.getDecoder().decode(signature.substring(3)), wanted);
            }
        }
        require(known, "the signature is wrong");
        EventPaymentChanged event = ApiClient.createDefaultObjectMapper().readValue(body, EventPaymentChanged.class);
        System.out.println(event.getType() + " " + event.getData().getPayment().getId());
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalStateException(otherwise);
        }
    }
}
