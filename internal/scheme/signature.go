package scheme

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"
	"go/ast"
	"io"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// signing is a way to sign with a private key.
type signing struct {
	name string
	key  keyKind
	// hash is that of the message; 0 if the message itself is signed.
	hash crypto.Hash
	// pss says of RSA that the padding is that of RFC 8017, section 8.1, and not that of section 8.2.
	pss bool
	// size is that of the largest signature, in bytes.
	size int
	help string
}

var signings = []signing{
	{"rsa_sha256", keyRSA, crypto.SHA256, false, maxRSABits / 8, "the signature RSASSA-PKCS1-v1_5 (RS256 in JWTs)"},
	{"rsa_sha512", keyRSA, crypto.SHA512, false, maxRSABits / 8, "the signature RSASSA-PKCS1-v1_5 (RS512 in JWTs)"},
	{
		"rsa_pss_sha256", keyRSA, crypto.SHA256, true, maxRSABits / 8,
		"the signature RSASSA-PSS (PS256 in JWTs), with a salt of 32 bytes that is made of `nonce`",
	},
	{
		"rsa_pss_sha512", keyRSA, crypto.SHA512, true, maxRSABits / 8,
		"the signature RSASSA-PSS (PS512 in JWTs), with a salt of 64 bytes that is made of `nonce`",
	},
	{
		"ecdsa_sha256", keyP256, crypto.SHA256, false, 64,
		"the signature ECDSA with P-256 (ES256 in JWTs): r and s, 32 bytes each",
	},
	{
		"ecdsa_sha384", keyP384, crypto.SHA384, false, 96,
		"the signature ECDSA with P-384 (ES384 in JWTs): r and s, 48 bytes each",
	},
	{"ed25519", keyEd25519, 0, false, 64, "the signature Ed25519 (RFC 8032; EdDSA in JWTs), of the message itself"},
}

// withKeyPairs are the functions that take a private key.
func withKeyPairs() []function {
	var list []function
	for _, s := range signings {
		f := function{
			name:       s.name,
			arguments:  "key, message",
			signatures: []signature{two(kindPrivateKey, kindString, kindBytes), two(kindPrivateKey, kindBytes, kindBytes)},
			help:       s.help + "; the key is `" + string(s.key) + "`",
			flow:       s.flow,
			compute:    s.compute,
			message:    2,
		}
		if s.pss {
			f.uses = nonceName
		}
		list = append(list, f)
	}
	return append(list, function{
		name:       "public_key",
		arguments:  "key",
		signatures: []signature{one(kindPrivateKey, kindBytes)},
		help:       "the public key as SubjectPublicKeyInfo in DER (RFC 5280, section 4.1)",
		flow:       flowPublicKey,
		compute: func(args []evaluate) evaluate {
			key := args[0]
			return func(e *environment) string { return e.keys[key(e)].public }
		},
	})
}

// flow is what is known of a signature. It is fresh by its message, as an HMAC is.
func (s signing) flow(c *checker, at call, args []operand) facts {
	key, message := args[0], args[1]
	if key.pair != s.key {
		panic(at.refuse(key.node, "%s takes a key that is declared %s, and this one is declared %s",
			s.name, s.key, key.pair))
	}
	c.keyOperations = append(c.keyOperations, keyOperation{at.place, s.key == keyRSA})
	if len(c.keyOperations) > maxKeyOperations {
		panic(at.refuse(key.node, "a scheme signs at most %d times with private keys; name a signature in let to use it "+
			"again", maxKeyOperations))
	}
	c.signs(at, key, message)
	signed := join(message.facts)
	signed.ofSecret, signed.changes, signed.zeros, signed.endsPublic = true, true, true, true
	signed.varies = signed.varies || s.pss
	signed.stale = !message.fresh && !message.requested
	signed.direct, signed.min, signed.max, signed.digest = nil, 1, s.size, true
	return signed
}

// flowPublicKey is what is known of a public key: it is public, except that it cannot be compared.
func flowPublicKey(*checker, call, []operand) facts {
	return facts{ofPublicKey: true, zeros: true, endsPublic: true, min: 1, max: maxPublicKey}
}

// compute signs. A failure is that of the whole signing, which fails with it.
func (s signing) compute(args []evaluate) evaluate {
	key, message := args[0], args[1]
	return func(e *environment) string {
		if e.unsigned {
			return strings.Repeat("\x00", s.size)
		}
		signature, err := s.sign(e.keys[key(e)], message(e), e.values[slotNonce])
		if err != nil {
			e.failure = err
		}
		return signature
	}
}

// The failures of a signature. Errors of package crypto are not passed on.
var (
	errSigning = errors.New("the private key did not sign")
	errPSS     = errors.New("the private key did not sign: RSASSA-PSS with a salt that is made of the nonce needs Go's " +
		"FIPS 140-3 mode to be off, or on without being the only one")
)

// sign signs a message. nonce is for the salt of PSS, so that a signature can be computed again.
func (s signing) sign(key *keyPair, message, nonce string) (string, error) {
	input := []byte(message)
	if s.hash != 0 {
		digest := s.hash.New()
		digest.Write(input)
		input = digest.Sum(nil)
	}
	// Without a source of random bytes, ECDSA is deterministic (RFC 6979). The others need none.
	var random io.Reader
	var options crypto.SignerOpts = s.hash
	if s.pss {
		salt := sha512.Sum512([]byte(nonce))
		random, options = bytes.NewReader(salt[:]), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: s.hash}
	}
	signature, err := key.private.Sign(random, input, options)
	switch {
	case err != nil && s.pss:
		return "", errPSS
	case err != nil:
		return "", errSigning
	case s.key == keyP256, s.key == keyP384:
		return sideBySide(signature, s.size)
	}
	return string(signature), nil
}

// sideBySide is an ECDSA signature in ASN.1 as its two numbers beside one another (RFC 7518, section 3.4).
func sideBySide(signature []byte, size int) (string, error) {
	var numbers struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(signature, &numbers); err != nil || len(rest) > 0 {
		return "", errSigning
	}
	both := make([]byte, size)
	numbers.R.FillBytes(both[:size/2])
	numbers.S.FillBytes(both[size/2:])
	return string(both), nil
}

// keyOperation is a signature with a private key, in an expression at a place.
type keyOperation struct {
	place string
	rsa   bool
}

// signedMessage is a message that a key signs, as its expression.
type signedMessage struct {
	text  string
	first opening
	key   int
	at    call
	node  ast.Expr
}

// signs notes that a key signs a message. It warns if the key signs another one too, and a caller could choose one of
// the two to be the other.
func (c *checker) signs(at call, key, message operand) {
	text := at.text[message.node.Pos()-1 : message.node.End()-1]
	for _, number := range key.direct {
		is := signedMessage{text, message.first, number, at, message.node}
		by := fmt.Sprint(at.function.name, number)
		for _, other := range c.signed[by] {
			if other.text != is.text && (other.first.request || is.first.request) {
				c.lint(at.place + ": the key of " + at.function.name + " signs two messages, and a request field is or begins " +
					"one of them, so a caller may be able to choose it to be the other; use two keys")
			}
		}
		c.signed[by] = append(c.signed[by], is)
	}
}

// checkSharedKeys refuses a key that signs in a login, and outside of it a message that a caller could choose to be
// that of the login. logsIn and signs are the names that the login and the outputs use.
func (c *checker) checkSharedKeys(logsIn, signs map[string]bool) {
	used := func(place string, names map[string]bool) bool {
		let, is := strings.CutPrefix(place, "let.")
		return is && names[let]
	}
	inLogin := map[int]opening{}
	for _, messages := range c.signed {
		for _, message := range messages {
			if strings.HasPrefix(message.at.place, "login.") || used(message.at.place, logsIn) {
				inLogin[message.key] = inLogin[message.key].or(message.first)
			}
		}
	}
	for _, by := range slices.Sorted(maps.Keys(c.signed)) {
		for _, message := range c.signed[by] {
			isLet := strings.HasPrefix(message.at.place, "let.")
			login, is := inLogin[message.key]
			chosen := message.first.request || c.keys.chosen[message.key] || message.first.digestOfRequest && login.digest
			if is && chosen && (!isLet || used(message.at.place, signs)) {
				panic(message.at.refuse(message.node, "is or begins with a request field, or the digest of one, and its key signs "+
					"in the login too, so a caller could have a login signed; use two keys, or put a text before the field, or "+
					"set allow_shared_key: true"))
			}
		}
	}
}
