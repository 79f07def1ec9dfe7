package backend

import "github.com/apisig/vault-plugin-apisig/internal/plainvalue"

// The fields that vendors have in common.

// regionField is a field for one of some regions, which sets the host.
func regionField(regions []string) field {
	return field{
		name: "region", oneOf: regions, bound: true, account: true,
		help: "Region that the key belongs to. It sets the host. If it is left out, the config's name is the region where it is one " +
			"of these; else base_url is required.",
	}
}

// addressRules are those of a base_url.
func addressRules() []rule { return []rule{atMost(maxText), address, plainvalue.Fault} }

// publicField is a value that the vendor gave, is required, and travels in a header or a request as it is.
func publicField(name, help string) field {
	return field{
		name: name, required: true, bound: true, account: true, rules: []rule{atMost(maxText), headerText, plainvalue.Fault}, help: help,
	}
}

// minTTLField is the field of vendors with tokens.
func minTTLField() field {
	return field{
		name: minTTLName, kind: secondsField, fallback: 600, most: maxMinTTL,
		help: "Minimum remaining lifetime for a cached token to be reused. If half of the token's life minus 90s is smaller, that is used " +
			"instead.",
	}
}

// requestTimeoutField is the field of vendors that the engine calls.
func requestTimeoutField(help string) field {
	return field{name: "request_timeout", kind: secondsField, fallback: 10, least: 1, most: maxRequestTimeout, help: help}
}

// caCertField is the field of vendors that the engine calls.
func caCertField() field {
	return field{
		name: "ca_cert", kind: certificatesField, bound: true, account: true, rules: []rule{certificates}, clean: cleanCertificates,
		help: "Certificates in PEM to trust beside the system's roots, for networks that intercept TLS.",
	}
}

// verifyParameter is the parameter of vendors that the engine calls.
func verifyParameter(fallback bool, help string) field {
	return field{name: verifyField, kind: boolField, fallback: fallback, unstored: true, help: help}
}

// writtenField is the field of secretWrittenAt.
const writtenField = "secret_written_at"

// secretWrittenAt is the field of every vendor that says how old the secret is.
func secretWrittenAt() field {
	return field{
		name: writtenField, learned: true, omitEmpty: true,
		help: "When the secret was last part of a write, RFC 3339. Absent if an earlier version wrote it.",
	}
}
