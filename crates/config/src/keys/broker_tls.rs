//! TLS of the listeners.

use super::reason::SECURITY;
use crate::key::keys;

keys! { Broker:
    "ssl.keystore.location" String null [per_broker, accepted(SECURITY)]
        "File of the server's key and certificate.";
    "ssl.keystore.password" Password null [per_broker, accepted(SECURITY)]
        "Password of the key store.";
    "ssl.keystore.type" String "JKS" [per_broker, accepted(SECURITY)]
        "Format of the key store.";
    "ssl.keystore.key" Password null [per_broker, accepted(SECURITY)]
        "The private key itself, as PEM text.";
    "ssl.keystore.certificate.chain" Password null [per_broker, accepted(SECURITY)]
        "The certificate chain itself, as PEM text.";
    "ssl.key.password" Password null [per_broker, accepted(SECURITY)]
        "Password of the private key.";
    "ssl.truststore.location" String null [per_broker, accepted(SECURITY)]
        "File of the trusted certificates.";
    "ssl.truststore.password" Password null [per_broker, accepted(SECURITY)]
        "Password of the trust store.";
    "ssl.truststore.type" String "JKS" [per_broker, accepted(SECURITY)]
        "Format of the trust store.";
    "ssl.truststore.certificates" Password null [per_broker, accepted(SECURITY)]
        "The trusted certificates themselves, as PEM text.";
    "ssl.client.auth" String "none"
        [one_of(&["required", "requested", "none"]), per_broker, accepted(SECURITY)]
        "Whether clients must, may, or need not show a certificate.";
    "ssl.cipher.suites" List "" [list_of(&[]), per_broker, accepted(SECURITY)]
        "Cipher suites that may be agreed on; empty allows the usual ones.";
    "ssl.enabled.protocols" List "TLSv1.2,TLSv1.3" [list_of(&[]), per_broker, accepted(SECURITY)]
        "TLS versions that may be agreed on.";
    "ssl.protocol" String "TLSv1.3" [per_broker, accepted(SECURITY)]
        "TLS version used to make the context.";
    "ssl.endpoint.identification.algorithm" String "https" [per_broker, accepted(SECURITY)]
        "How a server's name is checked against its certificate; empty turns the check off.";
    "ssl.principal.mapping.rules" String "DEFAULT" [accepted(SECURITY)]
        "Rules that make a principal's name from a certificate's subject.";
    "ssl.allow.dn.changes" Boolean "false" [accepted(SECURITY)]
        "Whether a renewed certificate may have another subject.";
    "ssl.allow.san.changes" Boolean "false" [accepted(SECURITY)]
        "Whether a renewed certificate may have other alternative names.";
    "ssl.provider" String null [per_broker, jvm]
        "Java security provider for TLS.";
    "ssl.keymanager.algorithm" String "SunX509" [per_broker, jvm]
        "Java algorithm of the key manager.";
    "ssl.trustmanager.algorithm" String "PKIX" [per_broker, jvm]
        "Java algorithm of the trust manager.";
    "ssl.secure.random.implementation" String null [per_broker, jvm]
        "Java source of random numbers.";
    "ssl.engine.factory.class" Class null [per_broker, jvm]
        "Java class that makes TLS engines.";
    "security.providers" String null [jvm]
        "Java classes that register security providers.";
}
