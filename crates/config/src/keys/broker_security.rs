//! Authentication, authorization, delegation tokens.

use super::reason::SECURITY;
use crate::key::{Unit, keys};
use crate::rule::Rule;

keys! { Broker:
    "authorizer.class.name" String "" [accepted(SECURITY)]
        "The authorizer; Kafka's own standard one is understood, empty turns authorization off.";
    "principal.builder.class" Class "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"
        [per_broker, jvm]
        "Java class that makes a principal from a connection.";
    "connections.max.reauth.ms" Long "0" [accepted(SECURITY)]
        "Longest life of an authenticated session before the client must authenticate again; 0 \
         sets no limit.";
    "delegation.token.secret.key" Password null [accepted(SECURITY)]
        "Key that signs delegation tokens. Without it there are none.";
    "delegation.token.max.lifetime.ms" Long "604800000" [at_least(1), accepted(SECURITY)]
        "Longest life of a delegation token, renewals included.";
    "delegation.token.expiry.time.ms" Long "86400000" [at_least(1), accepted(SECURITY)]
        "Life of a delegation token until it must be renewed.";
    "delegation.token.expiry.check.interval.ms" Long "3600000" [at_least(1), accepted(SECURITY)]
        "How often expired delegation tokens are removed.";
    "sasl.enabled.mechanisms" List "GSSAPI" [list_of(&[]), per_broker, accepted(SECURITY)]
        "SASL mechanisms that clients may use.";
    "sasl.mechanism.inter.broker.protocol" String "GSSAPI" [per_broker, accepted(SECURITY)]
        "SASL mechanism between brokers.";
    "sasl.mechanism.controller.protocol" String "GSSAPI" [accepted(SECURITY)]
        "SASL mechanism towards controllers.";
    "sasl.jaas.config" Password null [per_broker, accepted(SECURITY)]
        "Login module and its options, as in a JAAS file.";
    "sasl.server.max.receive.size" Int "524288" [unit_is(Unit::Bytes), accepted(SECURITY)]
        "Largest message a client may send before it is authenticated.";
    "sasl.client.callback.handler.class" Class null [jvm]
        "Java class of the client's callbacks.";
    "sasl.server.callback.handler.class" Class null [jvm]
        "Java class of the server's callbacks.";
    "sasl.login.callback.handler.class" Class null [jvm]
        "Java class of the login's callbacks.";
    "sasl.login.class" Class null [jvm]
        "Java class of the login.";
    "sasl.login.connect.timeout.ms" Int null [accepted(SECURITY)]
        "How long a connection to the token provider may take to open.";
    "sasl.login.read.timeout.ms" Int null [accepted(SECURITY)]
        "How long the token provider may take to answer.";
    "sasl.login.retry.backoff.ms" Long "100" [accepted(SECURITY)]
        "First wait before a failed login is repeated.";
    "sasl.login.retry.backoff.max.ms" Long "10000" [accepted(SECURITY)]
        "Longest wait before a failed login is repeated.";
    "sasl.login.refresh.window.factor" Double "0.8" [per_broker, accepted(SECURITY)]
        "Fraction of a credential's life after which it is renewed.";
    "sasl.login.refresh.window.jitter" Double "0.05" [per_broker, accepted(SECURITY)]
        "Random part of that time, as a fraction.";
    "sasl.login.refresh.min.period.seconds" Short "60" [per_broker, accepted(SECURITY)]
        "Least time between two renewals.";
    "sasl.login.refresh.buffer.seconds" Short "300" [per_broker, accepted(SECURITY)]
        "Least time between a renewal and the credential's end.";
    "sasl.kerberos.service.name" String null [per_broker, jvm]
        "Kerberos service name of the broker.";
    "sasl.kerberos.kinit.cmd" String "/usr/bin/kinit" [per_broker, jvm]
        "Path of the kinit command.";
    "sasl.kerberos.ticket.renew.window.factor" Double "0.8" [per_broker, jvm]
        "Fraction of a ticket's life after which it is renewed.";
    "sasl.kerberos.ticket.renew.jitter" Double "0.05" [per_broker, jvm]
        "Random part of that time, as a fraction.";
    "sasl.kerberos.min.time.before.relogin" Long "60000" [per_broker, jvm]
        "Least time between two logins.";
    "sasl.kerberos.principal.to.local.rules" List "DEFAULT" [list_of(&[]), per_broker, jvm]
        "Rules that make short names from Kerberos principals.";
    "sasl.oauthbearer.expected.audience" List "" [list_of(&[]), accepted(SECURITY)]
        "Audiences, one of which a token must name.";
    "sasl.oauthbearer.expected.issuer" String null [accepted(SECURITY)]
        "Issuer that a token must name.";
    "sasl.oauthbearer.clock.skew.seconds" Int "30" [accepted(SECURITY)]
        "How far the clocks of token provider and broker may differ.";
    "sasl.oauthbearer.scope" String null [accepted(SECURITY)]
        "Scope asked for when a token is fetched.";
    "sasl.oauthbearer.scope.claim.name" String "scope" [accepted(SECURITY)]
        "Claim that holds a token's scope.";
    "sasl.oauthbearer.sub.claim.name" String "sub" [accepted(SECURITY)]
        "Claim that holds a token's subject.";
    "sasl.oauthbearer.token.endpoint.url" String null [accepted(SECURITY)]
        "Address at which tokens are fetched.";
    "sasl.oauthbearer.jwks.endpoint.url" String null [accepted(SECURITY)]
        "Address of the provider's public keys.";
    "sasl.oauthbearer.jwks.endpoint.refresh.ms" Long "3600000" [accepted(SECURITY)]
        "How often the public keys are fetched again.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms" Long "100" [accepted(SECURITY)]
        "First wait before a failed fetch of keys is repeated.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms" Long "10000" [accepted(SECURITY)]
        "Longest wait before a failed fetch of keys is repeated.";
    "sasl.oauthbearer.jwt.retriever.class" Class "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"
        [jvm]
        "Java class that fetches tokens.";
    "sasl.oauthbearer.jwt.validator.class" Class "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"
        [jvm]
        "Java class that validates tokens.";
    "sasl.oauthbearer.client.credentials.client.id" String null [accepted(SECURITY)]
        "Client id for fetching a token with client credentials.";
    "sasl.oauthbearer.client.credentials.client.secret" Password null [accepted(SECURITY)]
        "Client secret for fetching a token with client credentials.";
    "sasl.oauthbearer.assertion.algorithm" String "RS256"
        [rule(Rule::OneOfAnyCase(&["ES256", "RS256"])), accepted(SECURITY)]
        "Algorithm that signs an assertion.";
    "sasl.oauthbearer.assertion.claim.aud" String null [accepted(SECURITY)]
        "Audience of an assertion.";
    "sasl.oauthbearer.assertion.claim.exp.seconds" Int "300" [between(0, 86400), accepted(SECURITY)]
        "How long an assertion is valid.";
    "sasl.oauthbearer.assertion.claim.iss" String null [accepted(SECURITY)]
        "Issuer of an assertion.";
    "sasl.oauthbearer.assertion.claim.jti.include" Boolean "false" [accepted(SECURITY)]
        "Whether an assertion carries an id of its own.";
    "sasl.oauthbearer.assertion.claim.nbf.seconds" Int "60" [between(0, 3600), accepted(SECURITY)]
        "How far back an assertion's validity starts.";
    "sasl.oauthbearer.assertion.claim.sub" String null [accepted(SECURITY)]
        "Subject of an assertion.";
    "sasl.oauthbearer.assertion.file" String null [accepted(SECURITY)]
        "File that holds a ready assertion.";
    "sasl.oauthbearer.assertion.private.key.file" String null [accepted(SECURITY)]
        "File of the private key that signs assertions.";
    "sasl.oauthbearer.assertion.private.key.passphrase" Password null [accepted(SECURITY)]
        "Password of that private key.";
    "sasl.oauthbearer.assertion.template.file" String null [accepted(SECURITY)]
        "File with further headers and claims of an assertion.";
}
