package sandbox

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"time"
)

// assertionLife is the longest life of an assertion that the OAuth 2.0 server takes.
const assertionLife = time.Hour

// assertionFault says what is wrong with a client's assertion; "" if nothing is. Its audience is the token endpoint. It
// can be used once.
func (s *Sandbox) assertionFault(text, kind, endpoint string, behaviour Behaviour) string {
	s.mu.Lock()
	s.assertions = append(s.assertions, text)
	s.mu.Unlock()
	var header struct{ Alg string }
	var claims struct {
		Iss, Sub, Aud, Jti string
		Exp                int64
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 || kind != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" ||
		!decodePart(parts[0], &header) || !decodePart(parts[1], &claims) {
		return "the assertion is not a JWT"
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil || !verifies(behaviour.OAuthPublicKey, header.Alg, parts[0]+"."+parts[1], signature) {
		return "the assertion's signature is wrong"
	}
	now, expires := s.clock(), time.Unix(claims.Exp, 0)
	switch {
	case claims.Iss != behaviour.OAuthClientID || claims.Sub != behaviour.OAuthClientID:
		return "the assertion is another client's"
	case claims.Aud != endpoint:
		return "the assertion is for another server"
	case !now.Before(expires) || expires.Sub(now) > assertionLife:
		return "the assertion has expired, or lives too long"
	case claims.Jti == "" || s.replayed(claims.Jti):
		return "the assertion was used before"
	}
	return ""
}

// decodePart reads the JSON of a part of a JWT, and reports whether it is that.
func decodePart(part string, into any) bool {
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	return err == nil && json.Unmarshal(text, into) == nil
}

// verifies reports whether a signature is that of a public key in PEM: RS256 with an RSA key, ES256 with one of P-256.
func verifies(key, algorithm, signed string, signature []byte) bool {
	block, _ := pem.Decode([]byte(key))
	if block == nil {
		return false
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return false
	}
	sum := sha256.Sum256([]byte(signed))
	switch public := public.(type) {
	case *rsa.PublicKey:
		return algorithm == "RS256" && rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature) == nil
	case *ecdsa.PublicKey:
		half := len(signature) / 2
		r, s := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
		return algorithm == "ES256" && len(signature) == 64 && ecdsa.Verify(public, sum[:], r, s)
	default:
		return false
	}
}
