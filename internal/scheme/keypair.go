package scheme

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// Limits of private keys. Larger RSA keys would take too long to sign with.
const (
	maxKeyText           = 16 << 10 // bytes of one as it is given
	minRSABits           = 2048
	maxRSABits           = 4096
	maxPublicKey         = 600 // bytes of SubjectPublicKeyInfo: 550 for RSA of 4096 bits with the usual exponent
	maxKeyOperations     = 4   // of a scheme
	maxBatchRSA          = 64  // operations of a batch
	beginPEM, endOfLabel = "-----BEGIN ", "-----"
)

// keyKind is a kind of key pair, as a document names it.
type keyKind string

const (
	keyRSA     keyKind = "rsa"
	keyP256    keyKind = "p256"
	keyP384    keyKind = "p384"
	keyEd25519 keyKind = "ed25519"
)

var keyKinds = []keyKind{keyRSA, keyP256, keyP384, keyEd25519}

// words are the kind in an error.
func (k keyKind) words() string {
	switch k {
	case keyRSA:
		return "an RSA key"
	case keyP256:
		return "a P-256 key"
	case keyP384:
		return "a P-384 key"
	default:
		return "an Ed25519 key"
	}
}

// keyPair is a private key that was read. It is not changed, and can be used concurrently.
type keyPair struct {
	private crypto.Signer
	// public is the public key as SubjectPublicKeyInfo in DER.
	public string
}

// The commands that errors name.
const (
	decrypts = "openssl pkcs8 -topk8 -nocrypt -in key.pem -out plain.pem"
	extracts = "openssl pkey -in key.pem -out plain.pem"
	fromJSON = "jq -r .private_key"
	// OpenSSH leaves Ed25519 keys in its own format, whatever -m says. There, seed and public key follow the first 161
	// bytes of a key without a passphrase.
	fromOpenSSH        = "cp key.pem plain.pem && ssh-keygen -p -N '' -m PKCS8 -f plain.pem"
	fromOpenSSHEd25519 = "grep -v -e ----- key.pem | openssl base64 -d | tail -c +162 | head -c 64 | openssl base64 -A " +
		">plain.txt"
	// pssOnly is a key that RFC 4055 restricts to RSASSA-PSS. openssl rsa writes what is in it, PKCS#1, under a label that
	// nothing reads.
	pssOnly = "an RSA key that is for PSS only (openssl rsa -in key.pem -traditional | sed s/RSA-PSS/RSA/ >plain.pem " +
		"converts it)"
)

// plainKey is a private key's text without what a file, a shell or JSON adds to it: white space and a pair of double
// quotes around it, and \n as two characters for a line break.
func plainKey(text string) string {
	text = strings.TrimSpace(text)
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	return strings.TrimSpace(strings.NewReplacer(`\r\n`, "\n", `\n`, "\n", "\r\n", "\n").Replace(text))
}

// readKeyPair reads a private key of a kind. The error says what was found and what is wanted, is worded to follow the
// secret's name, and quotes nothing.
func readKeyPair(given secret.Text, wanted keyKind) (*keyPair, error) {
	if len(given) > maxKeyText {
		return nil, fmt.Errorf("is longer than %d bytes", maxKeyText)
	}
	private, err := parseKey(plainKey(given.Reveal()), wanted)
	if err != nil {
		return nil, err
	}
	if found := describeKey(private); found != wanted.words() {
		return nil, fmt.Errorf("is %s; the scheme wants %s", found, wanted.words())
	}
	signer, is := private.(crypto.Signer)
	if !is {
		return nil, errDamagedKey
	}
	if key, is := signer.(*rsa.PrivateKey); is {
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil, rsaSizeFault(bits)
		}
		if len(key.Primes) != 2 {
			return nil, fmt.Errorf("is an RSA key of %d primes; it must have two", len(key.Primes))
		}
	}
	public, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return nil, errDamagedKey
	}
	return &keyPair{signer, string(public)}, nil
}

var (
	errDamagedKey = errors.New("is PEM that has no private key of a known kind in it, or a damaged one; copy it again, " +
		"whole and with its line breaks")
	errSeedMismatch = errors.New("is the base64 of 64 bytes whose second half is not the public key of the first, " +
		"the seed")
)

func rsaSizeFault(bits int) error {
	return fmt.Errorf("is an RSA key of %d bits; it must have %d to %d", bits, minRSABits, maxRSABits)
}

// parseKey reads a private key, which may be of another kind than the one that is wanted.
func parseKey(text string, wanted keyKind) (any, error) {
	if wanted == keyEd25519 {
		if private, err := readSeed(text); private != nil || err != nil {
			return private, err
		}
	}
	return readPEM(text, wanted)
}

// readSeed reads an Ed25519 key that is the base64 of its seed, or of seed and public key (RFC 8032, section 5.1.5). It
// is nil if the text is neither.
func readSeed(text string) (any, error) {
	if strings.ContainsAny(text, "\r\n") { // which package base64 skips
		return nil, nil
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(decoded) != ed25519.SeedSize && len(decoded) != ed25519.PrivateKeySize {
		return nil, nil //nolint:nilerr // it may be PEM
	}
	private := ed25519.NewKeyFromSeed(decoded[:ed25519.SeedSize])
	if len(decoded) == ed25519.PrivateKeySize && !bytes.Equal(private, decoded) {
		return nil, errSeedMismatch
	}
	return private, nil
}

// readPEM reads a text that is one PEM block with a private key.
func readPEM(text string, wanted keyKind) (any, error) {
	before, after, found := strings.Cut(text, beginPEM)
	label, _, _ := strings.Cut(after, endOfLabel)
	if !found || strings.HasPrefix(text, "{") {
		return nil, notPEM(text, wanted)
	}
	if strings.Contains(after, beginPEM) {
		return nil, errors.New("has more than one PEM block; leave only that of the private key, as " + extracts + " does")
	}
	if fault := labelFault(label, text, wanted); fault != "" {
		return nil, fmt.Errorf("%s; the scheme wants %s", fault, wanted.words())
	}
	block, rest := pem.Decode([]byte(text))
	switch {
	case before != "" || block != nil && len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("has text around its PEM block; leave only what is from -----BEGIN to the end of -----END, " +
			"as " + extracts + " does")
	case block == nil:
		return nil, errDamagedKey
	}
	var private any
	var err error
	switch label {
	case "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		err = errDamagedKey
	}
	if err != nil { // whose text is of package x509, and may quote
		return nil, unreadableKey(block.Bytes, wanted)
	}
	return private, nil
}

// notPEM says what a text without a PEM block may be.
func notPEM(text string, wanted keyKind) error {
	switch {
	case strings.HasPrefix(text, "{"):
		return errors.New("is JSON; give the field that has the PEM, as " + fromJSON + " prints it")
	case strings.HasPrefix(text, base64.StdEncoding.EncodeToString([]byte(beginPEM))[:14]):
		return fmt.Errorf("is PEM in base64; decode it (base64 -d); the scheme wants %s", wanted.words())
	case strings.HasPrefix(text, "ssh-"), strings.HasPrefix(text, "ecdsa-"):
		return fmt.Errorf("is a public key; the scheme wants %s", wanted.words())
	}
	or := ""
	if wanted == keyEd25519 {
		or = ", or the base64 of its seed"
	}
	return fmt.Errorf("is not PEM; the scheme wants %s as PEM, which begins with -----BEGIN PRIVATE KEY-----%s "+
		"(vault takes a file as @key.pem)", wanted.words(), or)
}

// labelFault says what a PEM block is, by its label, if it is no plain private key; else "".
func labelFault(label, text string, wanted keyKind) string {
	switch {
	case label == "ENCRYPTED PRIVATE KEY", strings.Contains(text, "\nProc-Type: 4,ENCRYPTED"):
		return "is encrypted (" + decrypts + " decrypts it)"
	case strings.HasSuffix(label, "CERTIFICATE REQUEST"):
		return "is a certificate request"
	case strings.HasSuffix(label, "CERTIFICATE"):
		return "is a certificate, which has no private key in it"
	case strings.HasSuffix(label, "PUBLIC KEY"), strings.HasSuffix(label, "PUBLIC KEY BLOCK"):
		return "is a public key"
	case label == "OPENSSH PRIVATE KEY" && wanted == keyEd25519:
		return "is in the format of OpenSSH, and not PKCS#8 (" + fromOpenSSHEd25519 + " converts it)"
	case label == "OPENSSH PRIVATE KEY":
		return "is in the format of OpenSSH, and not PKCS#8 (" + fromOpenSSH + " converts it)"
	case label == "DSA PRIVATE KEY":
		return "is a DSA key"
	case label == "PGP PRIVATE KEY BLOCK":
		return "is a PGP key"
	}
	return ""
}

// describeKey is the kind of a key that was read, in words.
func describeKey(private any) string {
	switch key := private.(type) {
	case *rsa.PrivateKey:
		return keyRSA.words()
	case ed25519.PrivateKey:
		return keyEd25519.words()
	case *ecdsa.PrivateKey:
		if key.Curve == elliptic.P224() {
			return "a P-224 key"
		}
		if key.Curve == elliptic.P521() {
			return "a P-521 key"
		}
		if key.Curve == elliptic.P384() {
			return keyP384.words()
		}
		return keyP256.words()
	default: // *ecdh.PrivateKey
		return "an X25519 key, which cannot sign"
	}
}

// foreignKeys are kinds of keys that package x509 does not read, by what marks them.
var foreignKeys = []struct {
	words string
	mark  asn1.ObjectIdentifier
}{
	{"a secp256k1 key", asn1.ObjectIdentifier{1, 3, 132, 0, 10}},
	{"a brainpool key", asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1, 7}},
	{"an SM2 key", asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 301}},
	{"an Ed448 key", asn1.ObjectIdentifier{1, 3, 101, 113}},
	{"an X448 key", asn1.ObjectIdentifier{1, 3, 101, 111}},
	{"a DSA key", asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1}},
	{"a Diffie-Hellman key", asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 3, 1}},
	{pssOnly, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}},
}

// unreadableKey says why the content of a PEM block is no key of package x509.
func unreadableKey(der []byte, wanted keyKind) error {
	for _, foreign := range foreignKeys {
		if mark, err := asn1.Marshal(foreign.mark); err == nil && bytes.Contains(der, mark) {
			return fmt.Errorf("is %s; the scheme wants %s", foreign.words, wanted.words())
		}
	}
	var pkcs8 struct { // RFC 5208, section 5
		Version   int
		Algorithm asn1.RawValue
		Key       []byte
	}
	var pkcs1 struct { // RFC 8017, appendix A.1.2
		Version int
		N       *big.Int
	}
	if _, err := asn1.Unmarshal(der, &pkcs8); err == nil {
		der = pkcs8.Key
	}
	if _, err := asn1.Unmarshal(der, &pkcs1); err == nil && pkcs1.N.BitLen() > 0 && pkcs1.N.BitLen() < minRSABits {
		return rsaSizeFault(pkcs1.N.BitLen())
	}
	return errDamagedKey
}

// numbers are the secret numbers of a private key as bytes. Every private key with the same public key has them in it,
// whatever form it is written in. Zeros that they begin with may be left out there.
func (k *keyPair) numbers() []string {
	var numbers []string
	switch key := k.private.(type) {
	case *rsa.PrivateKey:
		for _, number := range append(slices.Clone(key.Primes), key.D) {
			numbers = append(numbers, string(number.Bytes()))
		}
	case ed25519.PrivateKey:
		numbers = []string{string(key.Seed())}
	case *ecdsa.PrivateKey:
		if scalar, err := key.Bytes(); err == nil {
			numbers = []string{strings.TrimLeft(string(scalar), "\x00")}
		}
	}
	return numbers
}

// compact is a text without what breaks up a key: white space, \n as two characters, the # of a comment, and the colons
// between hex digits.
var compact = strings.NewReplacer(`\r`, "", `\n`, "", " ", "", "\t", "", "\r", "", "\n", "", "#", "", ":", "")

// isIn reports whether a private key with the same public key is in some texts.
func (k *keyPair) isIn(texts []string) bool {
	whole, lower := make([]string, len(texts)), make([]string, len(texts))
	for i, text := range texts {
		whole[i] = compact.Replace(text)
		lower[i] = strings.ToLower(whole[i])
	}
	return slices.ContainsFunc(k.numbers(), func(number string) bool { return isIn(number, whole, lower) })
}
