package scheme_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// seedOf is the seed of testdata/keys/ed25519.pem.
func seedOf(t *testing.T) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(testKey(t, "ed25519.pem")))
	return block.Bytes[len(block.Bytes)-32:]
}

// A private key is read as people paste it, and is the same key in every form.
func TestFormsOfPrivateKeys(t *testing.T) {
	t.Parallel()
	rsa, p256, ed := testKey(t, "rsa.pem"), testKey(t, "p256.pem"), testKey(t, "ed25519.pem")
	field, err := json.Marshal(rsa)
	require.NoError(t, err)
	escaped := strings.Trim(string(field), `"`) // as in a JSON file
	require.Contains(t, escaped, `\n`)
	for _, test := range []struct{ name, kind, function, value, same string }{
		{"PKCS#1", "rsa", "rsa_sha256", testKey(t, "rsa-pkcs1.pem"), rsa},
		{"SEC1", "p256", "ecdsa_sha256", testKey(t, "p256-sec1.pem"), p256},
		{"a seed", "ed25519", "ed25519", base64.StdEncoding.EncodeToString(seedOf(t)), ed},
		{"a seed with a newline", "ed25519", "ed25519", base64.StdEncoding.EncodeToString(seedOf(t)) + "\n", ed},
		{"CRLF", "rsa", "rsa_sha256", strings.ReplaceAll(rsa, "\n", "\r\n"), rsa},
		{"no newline at the end", "rsa", "rsa_sha256", strings.TrimSpace(rsa), rsa},
		{"blanks around it", "rsa", "rsa_sha256", " \t\r\n\n" + rsa + "\n \n", rsa},
		{`\n as two characters`, "rsa", "rsa_sha256", escaped, rsa},
		{`\r\n as four characters`, "rsa", "rsa_sha256", strings.ReplaceAll(escaped, `\n`, `\r\n`), rsa},
		{"in double quotes", "rsa", "rsa_sha256", `"` + rsa + `"`, rsa},
		{"blanks within the quotes", "rsa", "rsa_sha256", "\" \n" + rsa + "\n \"", rsa},
		{"a field of JSON with its quotes", "rsa", "rsa_sha256", string(field) + "\n", rsa},
		{"a large one", "rsa", "rsa_sha256", testKey(t, "rsa-4096.pem"), testKey(t, "rsa-4096.pem")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := parsed(t, signs(t, test.kind, test.function))
			require.NoError(t, s.CheckSecret("private_key", secret.Text(test.value)))
			require.Equal(t, signature(t, test.kind, test.function, test.same, "m"),
				signature(t, test.kind, test.function, test.value, "m"))
		})
	}
}

// labelled is a PEM block without a key in it.
func labelled(label string) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: []byte{0x95, 1}}))
}

// What is no private key of the kind that the scheme wants is refused. The error says what it is, and quotes nothing.
func TestWrongPrivateKeys(t *testing.T) {
	t.Parallel()
	file := func(name string) string { return testKey(t, name) }
	rsa, p256, ed := file("rsa.pem"), file("p256.pem"), file("ed25519.pem")
	lines := strings.Split(rsa, "\n")
	seed := seedOf(t)
	const onlyPSS = "is an RSA key that is for PSS only (openssl rsa -in key.pem -traditional | sed s/RSA-PSS/RSA/ " +
		">plain.pem converts it); the scheme wants an RSA key"
	decrypt := "is encrypted (openssl pkcs8 -topk8 -nocrypt -in key.pem -out plain.pem decrypts it)"
	const damaged, notPEM = "is PEM that has no private key of a known kind in it, or a damaged one", "is not PEM; "
	for _, test := range []struct{ name, kind, value, want string }{
		{"P-256 for RSA", "rsa", p256, "is a P-256 key; the scheme wants an RSA key"},
		{"SEC1 for RSA", "rsa", file("p256-sec1.pem"), "is a P-256 key; the scheme wants an RSA key"},
		{"P-384 for RSA", "rsa", file("p384.pem"), "is a P-384 key; the scheme wants an RSA key"},
		{"Ed25519 for RSA", "rsa", ed, "is an Ed25519 key; the scheme wants an RSA key"},
		{"RSA for P-256", "p256", rsa, "is an RSA key; the scheme wants a P-256 key"},
		{"PKCS#1 for P-256", "p256", file("rsa-pkcs1.pem"), "is an RSA key; the scheme wants a P-256 key"},
		{"P-384 for P-256", "p256", file("p384.pem"), "is a P-384 key; the scheme wants a P-256 key"},
		{"P-224", "p256", file("p224.pem"), "is a P-224 key; the scheme wants a P-256 key"},
		{"P-521", "p384", file("p521.pem"), "is a P-521 key; the scheme wants a P-384 key"},
		{"P-256 for P-384", "p384", p256, "is a P-256 key; the scheme wants a P-384 key"},
		{"secp256k1", "p256", file("secp256k1.pem"), "is a secp256k1 key; the scheme wants a P-256 key"},
		{"secp256k1 as SEC1", "p256", file("secp256k1-sec1.pem"), "is a secp256k1 key; the scheme wants a P-256 key"},
		{"brainpool", "p256", file("brainpool.pem"), "is a brainpool key; the scheme wants a P-256 key"},
		{"SM2", "p256", file("sm2.pem"), "is an SM2 key; the scheme wants a P-256 key"},
		{"parameters of the curve written out", "p256", file("p256-explicit.pem"), damaged},
		{"P-256 for Ed25519", "ed25519", p256, "is a P-256 key; the scheme wants an Ed25519 key"},
		{"X25519", "ed25519", file("x25519.pem"), "is an X25519 key, which cannot sign; the scheme wants an Ed25519 key"},
		{"X448", "ed25519", file("x448.pem"), "is an X448 key; the scheme wants an Ed25519 key"},
		{"Ed448", "ed25519", file("ed448.pem"), "is an Ed448 key; the scheme wants an Ed25519 key"},
		{"DSA", "rsa", file("dsa.pem"), "is a DSA key; the scheme wants an RSA key"},
		{"Diffie-Hellman", "rsa", file("dh.pem"), "is a Diffie-Hellman key; the scheme wants an RSA key"},
		{"RSA for PSS only", "rsa", file("rsa-pss.pem"), onlyPSS},
		{"RSA of 512 bits", "rsa", file("rsa-512.pem"), "is an RSA key of 512 bits; it must have 2048 to 4096"},
		{"RSA of 1024 bits", "rsa", file("rsa-1024.pem"), "is an RSA key of 1024 bits; it must have 2048 to 4096"},
		{"RSA of 5120 bits", "rsa", file("rsa-5120.pem"), "is an RSA key of 5120 bits; it must have 2048 to 4096"},
		{"RSA of three primes", "rsa", file("rsa-3-primes.pem"), "is an RSA key of 3 primes; it must have two"},
		{"encrypted", "p256", file("encrypted.pem"), decrypt + "; the scheme wants a P-256 key"},
		{"encrypted in another way", "rsa", file("encrypted-traditional.pem"), decrypt + "; the scheme wants an RSA key"},
		{"a public key", "rsa", file("public.pem"), "is a public key; the scheme wants an RSA key"},
		{"a public key of RSA", "rsa", file("rsa-public.pem"), "is a public key; the scheme wants an RSA key"},
		{"a public key of OpenSSH", "ed25519", file("openssh-public.txt"), "is a public key; the scheme wants an"},
		{"an ECDSA public key of OpenSSH", "p256", "ecdsa-sha2-nistp256 AAAAE2VjZHNh", "is a public key; the scheme wants a"},
		{"a certificate", "rsa", file("certificate.pem"), "is a certificate, which has no private key in it"},
		{"a certificate request", "rsa", file("request.pem"), "is a certificate request"},
		{"a key of OpenSSH", "ed25519", file("openssh.pem"), "is in the format of OpenSSH, and not PKCS#8"},
		{"a PGP key", "rsa", labelled("PGP PRIVATE KEY BLOCK"), "is a PGP key"},
		{"a PGP public key", "rsa", labelled("PGP PUBLIC KEY BLOCK"), "is a public key"},
		{"another block", "rsa", labelled("X"), damaged},
		{"parameters before the key", "p256", file("p256-parameters.pem"), "has more than one PEM block"},
		{"a certificate before the key", "rsa", file("certificate.pem") + rsa, "has more than one PEM block"},
		{"two keys", "rsa", rsa + rsa, "has more than one PEM block"},
		{"text before it", "rsa", "Bag Attributes\n" + rsa, "has text around its PEM block"},
		{"text after it", "rsa", rsa + "x", "has text around its PEM block"},
		{"a JSON file", "rsa", `{"private_key": "` + strings.ReplaceAll(rsa, "\n", `\n`) + `"}`, "is JSON; give the field"},
		{"a JWK", "p256", `{"kty": "EC"}`, "is JSON; give the field"},
		{"no line breaks", "rsa", strings.Join(lines, ""), damaged},
		{"blanks for line breaks", "rsa", strings.Join(lines, " "), damaged},
		{"cut off", "rsa", strings.Join(lines[:10], "\n"), damaged},
		{"a line missing", "rsa", strings.Join(append(lines[:5:5], lines[6:]...), "\n"), damaged},
		{"a letter changed", "rsa", strings.Replace(rsa, lines[8], strings.Repeat("A", len(lines[8])), 1), damaged},
		{"PKCS#8 under the label of PKCS#1", "rsa", strings.ReplaceAll(rsa, "PRIVATE", "RSA PRIVATE"), damaged},
		{"two pairs of quotes", "rsa", `""` + rsa + `""`, "has text around its PEM block"},
		{"the body alone", "rsa", strings.Join(lines[1:len(lines)-2], "\n"), notPEM + "the scheme wants an RSA key as PEM"},
		{
			"PEM in base64", "rsa", base64.StdEncoding.EncodeToString([]byte(rsa)),
			"is PEM in base64; decode it (base64 -d); the scheme wants an RSA key",
		},
		{"a path", "rsa", "key.pem", notPEM + "the scheme wants an RSA key as PEM, which begins with -----BEGIN PRIVATE " +
			"KEY----- (vault takes a file as @key.pem)"},
		{"a seed for P-256", "p256", base64.StdEncoding.EncodeToString(seed), notPEM + "the scheme wants a P-256 key as PEM"},
		{"a seed in hex", "ed25519", hex.EncodeToString(seed), notPEM + "the scheme wants an Ed25519 key as PEM, which " +
			"begins with -----BEGIN PRIVATE KEY-----, or the base64 of its seed"},
		{"a seed of 31 bytes", "ed25519", base64.StdEncoding.EncodeToString(seed[:31]), notPEM},
		{"a seed with bits after the end", "ed25519", strings.Repeat("A", 42) + "B=", notPEM},
		{"a seed in two lines", "ed25519", "AAAA\n" + strings.Repeat("A", 39) + "=", notPEM},
		{
			"a seed with another public key", "ed25519", base64.StdEncoding.EncodeToString(append(seed, seed...)),
			"is the base64 of 64 bytes whose second half is not the public key of the first, the seed",
		},
		{"nothing", "rsa", "", notPEM},
		{"blanks", "rsa", " \n", notPEM},
		{"a quote", "rsa", `"`, notPEM},
		{"a byte-order mark", "rsa", "\ufeff" + rsa, "contains an invisible character"},
		{"DER", "rsa", "\x30\x82\x04\xa4", "contains U+FFFD"},
		{"typographic dashes", "rsa", strings.ReplaceAll(rsa, "-----", "\u2014\u2014-"), notPEM},
		{"too long", "rsa", rsa + strings.Repeat("\n", 16<<10), "is longer than 16384 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := parsed(t, signs(t, test.kind, map[string]string{
				"rsa": "rsa_sha256", "p256": "ecdsa_sha256", "p384": "ecdsa_sha384", "ed25519": "ed25519",
			}[test.kind]))
			err := s.CheckSecret("private_key", secret.Text(test.value))
			require.ErrorContains(t, err, test.want)
			require.True(t, strings.HasPrefix(err.Error(), test.want), err)
			for i := 0; i+12 < len(test.value); i += 4 {
				quoted := strings.ReplaceAll(err.Error(), "-----BEGIN PRIVATE KEY-----", "")
				require.NotContains(t, quoted, test.value[i:i+12])
			}
			if strings.HasPrefix(test.want, "contains") { // found before it is read
				return
			}
			_, err = s.Signer(scheme.Values{
				Secrets: map[string]secret.Text{"private_key": secret.Text(test.value)}, BaseURL: "https://api.example",
			})
			require.ErrorContains(t, err, "private_key "+test.want)
		})
	}
}

// commandOf is the command that an error tells to run.
var commandOf = regexp.MustCompile(`(?:\(|, as )((?:openssl|cp|grep) .*?) (?:decrypts|converts|does)`)

// The command of an error makes a key that is accepted of one that is not.
func TestCommandsMakePrivateKeysUsable(t *testing.T) {
	t.Parallel()
	needsOpenssl(t)
	sec1 := testKey(t, "p256-sec1.pem")
	for _, test := range []struct{ name, kind, value string }{
		{"encrypted", "p256", testKey(t, "encrypted.pem")},
		{"encrypted in another way", "rsa", testKey(t, "encrypted-traditional.pem")},
		{"for PSS only", "rsa", testKey(t, "rsa-pss.pem")},
		{"what openssl ecparam writes", "p256", testKey(t, "p256-parameters.pem")},
		{"what openssl pkcs12 writes", "rsa", testKey(t, "pkcs12.pem")},
		{"what openssl pkcs12 -nocerts writes", "p256", "Bag Attributes\n    localKeyID: 01\n" + sec1},
		{"text after it", "p256", sec1 + "text\n"},
		{"OpenSSH, Ed25519", "ed25519", testKey(t, "openssh.pem")},
		{"OpenSSH, ECDSA", "p256", testKey(t, "openssh-p256.pem")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(folder, "key.pem"), []byte(test.value), 0o600))
			function := map[string]string{"rsa": "rsa_sha256", "p256": "ecdsa_sha256", "ed25519": "ed25519"}[test.kind]
			s := parsed(t, signs(t, test.kind, function))
			fault := s.CheckSecret("private_key", secret.Text(test.value))
			require.Error(t, fault)
			found := commandOf.FindStringSubmatch(fault.Error())
			require.NotNil(t, found, fault)
			if strings.Contains(found[1], "ssh-keygen") {
				if _, err := exec.LookPath("ssh-keygen"); err != nil {
					t.Skip("ssh-keygen is not installed")
				}
			}
			command := exec.CommandContext(t.Context(), "sh", "-ec", strings.Replace(found[1], "openssl pkcs8",
				"openssl pkcs8 -passin pass:made-up", 1)) // which a terminal would ask for
			command.Dir = folder
			printed, err := command.CombinedOutput()
			require.NoError(t, err, "%s", printed)
			files, err := filepath.Glob(filepath.Join(folder, "plain.*"))
			require.NoError(t, err)
			require.Len(t, files, 1)
			plain, err := os.ReadFile(files[0])
			require.NoError(t, err)
			require.NoError(t, s.CheckSecret("private_key", secret.Text(plain)))
		})
	}
}

// The key of a config may be nowhere in what is read back, whatever its form is there and here.
func TestPrivateKeysAreNotInTheDocument(t *testing.T) {
	t.Parallel()
	const inExamples = "private_key is in the scheme, a field or base_url, which are read back; use made-up secrets in " +
		"examples"
	document := func(kind, function, example, literal, comment string) string {
		return fmt.Sprintf(`secrets: {private_key: {key: %s}}
fields: {field: {pattern: '(?s).*', max: 4096}}
request: {message: {}}
headers: {X-Sig: 'base64(%s(private_key, message + field + %q))'}
ttl: 60s
examples: [{secrets: {private_key: %q}, fields: {field: f}, request: {message: m}, want: {X-Sig: x}}]
%s
`, kind, function, literal, example, "# "+strings.ReplaceAll(strings.ReplaceAll(comment, "\r", ""), "\n", "\n# "))
	}
	block := func(name string) []byte {
		decoded, _ := pem.Decode([]byte(testKey(t, name)))
		return decoded.Bytes
	}
	seed := seedOf(t)
	rsa, p256 := testKey(t, "rsa.pem"), testKey(t, "p256.pem")
	parsedKey, err := x509.ParsePKCS1PrivateKey(block("rsa-pkcs1.pem"))
	require.NoError(t, err)
	colons := regexp.MustCompile(`[0-9a-f]{2}\B`)
	inJWK := func(number *big.Int) string { return base64.RawURLEncoding.EncodeToString(number.Bytes()) }
	in64 := base64.StdEncoding.EncodeToString
	for _, test := range []struct {
		name, kind, function, key string
		// example is the key of the example, and text what stands in a string, a comment or a field.
		example, text string
		hidden        bool
	}{
		{"another key", "rsa", "rsa_sha256", rsa, "rsa-4096.pem", "", true},
		{"another key, and words", "ed25519", "ed25519", in64(seed), "ed25519-other.pem", "words", true},
		{"its own public key", "rsa", "rsa_sha256", rsa, "rsa-4096.pem", testKey(t, "public.pem"), true},
		{"the example's key", "rsa", "rsa_sha256", rsa, "rsa.pem", "", false},
		{"the example's key in another form", "rsa", "rsa_sha256", rsa, "rsa-pkcs1.pem", "", false},
		{"the example's key in SEC1", "p256", "ecdsa_sha256", p256, "p256-sec1.pem", "", false},
		{"the example's key as PEM", "ed25519", "ed25519", in64(seed), "ed25519.pem", "", false},
		{"a PEM block", "p256", "ecdsa_sha256", p256, "p256-sec1-other.pem", p256, false},
		{"a PEM block with CRLF", "rsa", "rsa_sha256", rsa, "rsa-4096.pem", strings.ReplaceAll(rsa, "\n", "\r\n"), false},
		{`a PEM block with \n`, "rsa", "rsa_sha256", rsa, "rsa-4096.pem", strings.ReplaceAll(rsa, "\n", `\n`), false},
		{"a PEM block in other lines", "rsa", "rsa_sha256", rsa, "rsa-4096.pem", rewrapped(rsa, 40), false},
		{"PKCS#1", "rsa", "rsa_sha256", rsa, "rsa-4096.pem", testKey(t, "rsa-pkcs1.pem"), false},
		{
			"PKCS#1 in base64url", "rsa", "rsa_sha256", rsa, "rsa-4096.pem",
			base64.RawURLEncoding.EncodeToString(block("rsa-pkcs1.pem")), false,
		},
		{"PKCS#1 in hex", "rsa", "rsa_sha256", rsa, "rsa-4096.pem", hex.EncodeToString(block("rsa-pkcs1.pem")), false},
		{"the seed", "ed25519", "ed25519", testKey(t, "ed25519.pem"), "ed25519-other.pem", in64(seed), false},
		{"the seed in hex", "ed25519", "ed25519", in64(seed), "ed25519-other.pem", hex.EncodeToString(seed), false},
		{
			"the number of a JWK", "p256", "ecdsa_sha256", p256, "p256-sec1-other.pem",
			base64.RawURLEncoding.EncodeToString(block("p256-sec1.pem")[7:39]), false,
		},
		{
			"a number without its first byte, a zero", "p256", "ecdsa_sha256",
			scalarPEM(t, elliptic.P256(), "00"+strings.Repeat("a7", 31)), "p256-sec1-other.pem",
			in64([]byte(strings.Repeat("\xa7", 31))), false,
		},
		{
			"what openssl pkey -text writes", "ed25519", "ed25519", in64(seed), "ed25519-other.pem",
			"priv:\n    " + colons.ReplaceAllString(hex.EncodeToString(seed), "$0:"), false,
		},
		{"the exponent of a JWK", "rsa", "rsa_sha256", rsa, "rsa-4096.pem", inJWK(parsedKey.D), false},
		{"a prime of a JWK", "rsa", "rsa_sha256", rsa, "rsa-4096.pem", inJWK(parsedKey.Primes[1]), false},
		{"base64 of the PEM", "p256", "ecdsa_sha256", p256, "p256-sec1-other.pem", in64([]byte(p256)), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			values := scheme.Values{
				Secrets: map[string]secret.Text{"private_key": secret.Text(test.key)},
				Fields:  map[string]string{"field": "f"}, BaseURL: "https://api.example",
			}
			check := func(example, literal, comment string) {
				err := parsed(t, document(test.kind, test.function, testKey(t, example), literal, comment)).CheckHidden(values)
				if test.hidden {
					require.NoError(t, err)
				} else {
					require.EqualError(t, err, inExamples)
				}
			}
			if test.text == "" {
				check(test.example, "", "")
				return
			}
			check(test.example, test.text, "")
			check(test.example, "", test.text)
			values.Fields["field"] = test.text // which is also read back
			check(test.example, "", "")
		})
	}
}

// rewrapped is a PEM block in lines of another length.
func rewrapped(block string, length int) string {
	lines := strings.Split(strings.TrimSpace(block), "\n")
	body := strings.Join(lines[1:len(lines)-1], "")
	for i := length; i < len(body); i += length + 1 {
		body = body[:i] + "\n" + body[i:]
	}
	return lines[0] + "\n" + body + "\n" + lines[len(lines)-1]
}

// A thousand configs with the largest keys take a bounded time and memory.
func TestManyLargeKeys(t *testing.T) { //nolint:paralleltest // others would change what it measures
	const count, most = 1000, 64 << 10
	s := parsed(t, signs(t, "rsa", "rsa_sha256"))
	values := scheme.Values{
		Secrets: map[string]secret.Text{"private_key": secret.Text(testKey(t, "rsa-4096.pem"))},
		BaseURL: "https://api.example",
	}
	before, begun := heap(), time.Now()
	signers := make([]*scheme.Signer, count)
	for i := range signers {
		var err error
		signers[i], err = s.Signer(values)
		require.NoError(t, err)
	}
	taken, each := time.Since(begun), (heap()-before)/count
	runtime.KeepAlive(signers)
	t.Logf("%d KiB and %s each", each>>10, taken/count)
	require.Less(t, each, most)
	require.Less(t, taken, 60*time.Second) // 2 s on an idle machine
}
