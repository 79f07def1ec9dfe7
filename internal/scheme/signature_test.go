package scheme_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
	"github.com/apisig/vault-plugin-apisig/schemes"
)

// testKey is one of testdata/keys, which were made for tests with openssl.
func testKey(tb testing.TB, name string) string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/keys", name))
	require.NoError(tb, err)
	return string(text)
}

// signs is a scheme that signs a message with a private key.
func signs(tb testing.TB, kind, function string) string {
	tb.Helper()
	return fmt.Sprintf(`secrets: {private_key: {key: %s}}
request: {message: {pattern: '(?s).*', max: 8000}}
headers: {X-Sig: 'base64(%s(private_key, message))'}
ttl: 60s
allow_static: true
examples: [{secrets: {private_key: %q}, request: {message: m}, nonce: n, want: {X-Sig: x}}]
`, kind, function, testKey(tb, kind+".pem"))
}

// signature signs a message by a function of key pairs.
func signature(t *testing.T, kind, function, key, message string) []byte {
	t.Helper()
	signer, err := parsed(t, signs(t, kind, function)).Signer(scheme.Values{
		Secrets: map[string]secret.Text{"private_key": secret.Text(key)}, BaseURL: "https://api.example",
	})
	require.NoError(t, err)
	signed, err := signer.Sign(scheme.Moment{Nonce: "nonce"}, map[string]string{"message": message})
	require.NoError(t, err)
	raw, err := base64.StdEncoding.DecodeString(signed.Headers["X-Sig"])
	require.NoError(t, err)
	return raw
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	require.NoError(t, err)
	return raw
}

// scalarPEM is the private key of a curve with a number.
func scalarPEM(t *testing.T, curve elliptic.Curve, number string) string {
	t.Helper()
	key, err := ecdsa.ParseRawPrivateKey(curve, unhex(t, number))
	require.NoError(t, err)
	der, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

// primesPEM is the RSA key with two primes, which are in base64url, and the exponent 65537.
func primesPEM(t *testing.T, p, q string) string {
	t.Helper()
	number := func(text string) *big.Int {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		require.NoError(t, err)
		return new(big.Int).SetBytes(raw)
	}
	key := &rsa.PrivateKey{Primes: []*big.Int{number(p), number(q)}}
	key.N, key.E = new(big.Int).Mul(key.Primes[0], key.Primes[1]), 65537
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(key.Primes[0], one), new(big.Int).Sub(key.Primes[1], one))
	key.D = new(big.Int).ModInverse(big.NewInt(65537), phi)
	key.Precompute()
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

// seed64 is an Ed25519 seed in hex as a scheme takes it.
func seed64(t *testing.T, seed string) string {
	t.Helper()
	return base64.StdEncoding.EncodeToString(unhex(t, seed))
}

// Signatures that were published. Those of RSASSA-PKCS1-v1_5, Ed25519 and deterministic ECDSA are always the same.
func TestPublishedSignatures(t *testing.T) {
	t.Parallel()
	const (
		// RFC 6979, appendices A.2.5 and A.2.6.
		p256 = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"
		p384 = "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5"
		// RFC 8032, section 7.1.
		seed1 = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
		seed2 = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
		seed3 = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
		// RFC 7515, appendix A.2.
		p7515 = "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ou" +
			"Z2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc"
		q7515 = "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmp" +
			"e_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc"
		// RFC 7520, section 3.4.
		p7520 = "3Slxg_DwTXJcb6095RoXygQCAZ5RnAvZlno1yhHtnUex_fp7AZ_9nRaO7HX_-SFfGQeutao2TDjDAWU4Vupk8rw9JR0AzZ0N2fvuIAmr_W" +
			"CsmGpeNqQnev1T7IyEsnh8UMt-n5CafhkikzhEsrmndH6LxOrvRJlsPp6Zv8bUq0k"
		q7520 = "uKE2dh-cTf6ERF4k4e_jy78GfPYUIaUyoSSJuBzp3Cubk3OCqs6grT8bR_cu0Dm1MZwWmtdqDyI95HrUeq3MP15vMMON8lHTeZu2lmKvwq" +
			"W7anV5UzhM1iZ7z4yMkuUwFWoBvyY898EXvRD-hdqRxHlSqAZ192zB3pVFJ0s7pFc"
	)
	in64 := func(text string) []byte {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		require.NoError(t, err)
		return raw
	}
	for _, test := range []struct {
		name, kind, function, key, message string
		want                               []byte
	}{
		{
			"RFC 6979, A.2.5, sample", "p256", "ecdsa_sha256", scalarPEM(t, elliptic.P256(), p256), "sample",
			unhex(t, "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"+
				"F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"),
		},
		{
			"RFC 6979, A.2.5, test, whose s begins with 01", "p256", "ecdsa_sha256", scalarPEM(t, elliptic.P256(), p256), "test",
			unhex(t, "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367"+
				"019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"),
		},
		{
			"RFC 6979, A.2.6, sample", "p384", "ecdsa_sha384", scalarPEM(t, elliptic.P384(), p384), "sample",
			unhex(t, "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46"+
				"99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8"),
		},
		{
			"RFC 8032, test 1", "ed25519", "ed25519", seed64(t, seed1), "",
			unhex(t, "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"+
				"d25bf5f0595bbe24655141438e7a100b"),
		},
		{
			"RFC 8032, test 2", "ed25519", "ed25519", seed64(t, seed2), "\x72",
			unhex(t, "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"+
				"387b2eaeb4302aeeb00d291612bb0c00"),
		},
		{
			"RFC 8032, test 3", "ed25519", "ed25519", seed64(t, seed3), "\xaf\x82",
			unhex(t, "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"+
				"4a7c15e9716ed28dc027beceea1ec40a"),
		},
		{
			"RFC 8037, A.4", "ed25519", "ed25519", seed64(t, seed1), "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
			in64("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"),
		},
		{
			"RFC 9421, B.2.6", "ed25519", "ed25519",
			"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n" +
				"-----END PRIVATE KEY-----",
			"\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\"@authority\": example.com\n" +
				"\"content-type\": application/json\n\"content-length\": 18\n\"@signature-params\": (\"date\" \"@method\" " +
				"\"@path\" \"@authority\" \"content-type\" \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"",
			in64("wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw"),
		},
		{
			"RFC 7515, A.2", "rsa", "rsa_sha256", primesPEM(t, p7515, q7515),
			"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnV" +
				"lfQ",
			in64("cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU" +
				"Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_d" +
				"O--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig" +
				"cN_IoypGlUPQGe77Rw"),
		},
		{
			"RFC 7520, 4.1", "rsa", "rsa_sha256", primesPEM(t, p7520, q7520),
			"eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCB" +
				"Gcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVl" +
				"dCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4",
			in64("MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDk" +
				"oBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9Uzp" +
				"ERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogo" +
				"ree7vjbU5y18kDquDg"),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, signature(t, test.kind, test.function, test.key, test.message))
		})
	}
}

// keyFunctions are the functions that sign, each with its kind of key and how openssl verifies what it gives.
var keyFunctions = []struct {
	name, kind string
	verify     []string
}{
	{"rsa_sha256", "rsa", []string{"dgst", "-sha256"}},
	{"rsa_sha512", "rsa", []string{"dgst", "-sha512"}},
	{"rsa_pss_sha256", "rsa", strings.Fields("dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32")},
	{"rsa_pss_sha512", "rsa", strings.Fields("dgst -sha512 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:64")},
	{"ecdsa_sha256", "p256", []string{"dgst", "-sha256"}},
	{"ecdsa_sha384", "p384", []string{"dgst", "-sha384"}},
	{"ed25519", "ed25519", []string{"pkeyutl", "-rawin"}},
}

// openssl runs a command of openssl, in a folder with files.
func openssl(t *testing.T, folder string, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "openssl", arguments...)
	command.Dir = folder
	printed, err := command.CombinedOutput()
	require.NoError(t, err, "%s", printed)
	return string(printed)
}

func needsOpenssl(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
}

// openssl accepts the signatures of every function, and the public key.
func TestOpensslVerifiesSignatures(t *testing.T) {
	t.Parallel()
	needsOpenssl(t)
	for _, f := range keyFunctions {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			write := func(name string, content []byte) {
				require.NoError(t, os.WriteFile(filepath.Join(folder, name), content, 0o600))
			}
			key := testKey(t, f.kind+".pem")
			write("key.pem", []byte(key))
			openssl(t, folder, "pkey", "-in", "key.pem", "-pubout", "-out", "public.pem")
			for _, message := range []string{"m", "two\nlines \x00\xff", strings.Repeat("long", 2000)} {
				write("message", []byte(message))
				made := signature(t, f.kind, f.name, key, message)
				if strings.HasPrefix(f.name, "ecdsa") { // openssl takes ASN.1
					half := len(made) / 2
					require.Equal(t, map[string]int{"p256": 32, "p384": 48}[f.kind], half)
					der, err := asn1.Marshal(struct{ R, S *big.Int }{
						new(big.Int).SetBytes(made[:half]), new(big.Int).SetBytes(made[half:]),
					})
					require.NoError(t, err)
					made = der
				}
				write("signature", made)
				if f.verify[0] == "pkeyutl" {
					require.Contains(t, openssl(t, folder, "pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin",
						"-in", "message", "-sigfile", "signature"), "Verified Successfully")
					continue
				}
				require.Contains(t, openssl(t, folder, append(f.verify, "-verify", "public.pem", "-signature", "signature",
					"message")...), "Verified OK")
			}
		})
	}
}

// Node.js accepts the signatures of every function, with the numbers of ECDSA beside one another as in JWTs, and none
// for another message.
func TestNodeVerifiesSignatures(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node is not installed")
	}
	const program = `const crypto = require("crypto");
const pss = {
  padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST,
};
const p1363 = { dsaEncoding: "ieee-p1363" };
const ways = {
  rsa_sha256: ["sha256"], rsa_sha512: ["sha512"], rsa_pss_sha256: ["sha256", pss], rsa_pss_sha512: ["sha512", pss],
  ecdsa_sha256: ["sha256", p1363], ecdsa_sha384: ["sha384", p1363], ed25519: [null],
};
console.log(JSON.stringify(JSON.parse(require("fs").readFileSync(0)).map(({ name, key, message, signature }) =>
  crypto.verify(ways[name][0], Buffer.from(message, "base64"), { key: crypto.createPublicKey(key), ...ways[name][1] },
    Buffer.from(signature, "base64")))));`
	type signed struct {
		Name      string `json:"name"`
		Key       string `json:"key"`
		Message   []byte `json:"message"`
		Signature []byte `json:"signature"`
	}
	var given []signed
	var want []bool
	for _, f := range keyFunctions {
		key := testKey(t, f.kind+".pem")
		for _, message := range []string{"m", "two\nlines \x00\xff", strings.Repeat("long", 2000)} {
			made := signature(t, f.kind, f.name, key, message)
			given = append(given, signed{f.name, key, []byte(message), made}, signed{f.name, key, []byte(message + "m"), made})
			want = append(want, true, false)
		}
	}
	input, err := json.Marshal(given)
	require.NoError(t, err)
	node := exec.CommandContext(t.Context(), "node", "-e", program)
	node.Stdin = bytes.NewReader(input)
	printed, err := node.Output()
	require.NoError(t, err)
	var verified []bool
	require.NoError(t, json.Unmarshal(printed, &verified))
	require.Equal(t, want, verified)
}

// The salt of PSS is made of the nonce, so a signature can be computed again, and another nonce gives another one.
func TestPSSDependsOnTheNonce(t *testing.T) {
	t.Parallel()
	for _, function := range []string{"rsa_pss_sha256", "rsa_pss_sha512"} {
		s := parsed(t, signs(t, "rsa", function))
		require.True(t, s.Uses("nonce"))
		signer, err := s.Signer(scheme.Values{
			Secrets: map[string]secret.Text{"private_key": secret.Text(testKey(t, "rsa.pem"))}, BaseURL: "https://api.example",
		})
		require.NoError(t, err)
		made := map[string]bool{}
		for _, nonce := range []string{"a", "a", "b"} {
			signed, err := signer.Sign(scheme.Moment{Nonce: nonce}, map[string]string{"message": "m"})
			require.NoError(t, err)
			made[signed.Headers["X-Sig"]] = true
		}
		require.Len(t, made, 2)
		_, err = scheme.Parse(strings.Replace(signs(t, "rsa", function), "nonce: n, ", "", 1))
		require.ErrorContains(t, err, "examples[0]: needs nonce, which the scheme uses")
	}
	require.False(t, parsed(t, signs(t, "rsa", "rsa_sha256")).Uses("nonce"))
}

// The salt of PSS is the first bytes of the SHA-512 of the nonce. The two signatures were
// computed with Python's integers (RFC 8017, section 9.1.1).
func TestSaltOfPSS(t *testing.T) {
	t.Parallel()
	for function, want := range map[string]string{
		"rsa_pss_sha256": "373ac7c9d8a24ef31e548f27e9e685c77b04aaa25936791fc039883a2db37d73",
		"rsa_pss_sha512": "6ed6a8ab89e4d21106674e57f7c64f6227ef2c96dde42b1e1ff407aef24288ec",
	} {
		made := signature(t, "rsa", function, testKey(t, "rsa.pem"), "message")
		require.Equal(t, want, hex.EncodeToString(made[:16])+hex.EncodeToString(made[240:]), function)
	}
}

// public_key is SubjectPublicKeyInfo, as openssl writes it.
func TestPublicKey(t *testing.T) {
	t.Parallel()
	needsOpenssl(t)
	for _, kind := range []string{"rsa", "p256", "p384", "ed25519"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			key := testKey(t, kind+".pem")
			require.NoError(t, os.WriteFile(filepath.Join(folder, "key.pem"), []byte(key), 0o600))
			openssl(t, folder, "pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "public.der")
			want, err := os.ReadFile(filepath.Join(folder, "public.der"))
			require.NoError(t, err)
			s := parsed(t, fmt.Sprintf(`secrets: {private_key: {key: %s}}
headers: {X-Key: 'hex(public_key(private_key))'}
ttl: 60s
examples: [{secrets: {private_key: %q}, want: {X-Key: %x}}]
`, kind, key, want))
			require.NoError(t, s.CheckExamples())
		})
	}
}

// r and s keep the zeros that they begin with.
func TestNumbersOfECDSAHaveTheirFullLength(t *testing.T) {
	t.Parallel()
	text := testKey(t, "p256-sec1.pem")
	block, _ := pem.Decode([]byte(text))
	key, err := x509.ParseECPrivateKey(block.Bytes)
	require.NoError(t, err)
	signer, err := parsed(t, signs(t, "p256", "ecdsa_sha256")).Signer(scheme.Values{
		Secrets: map[string]secret.Text{"private_key": secret.Text(text)}, BaseURL: "https://api.example",
	})
	require.NoError(t, err)
	zeros := map[int]bool{}
	for i := 0; len(zeros) < 2 && i < 5000; i++ {
		message := fmt.Sprint(i)
		signed, err := signer.Sign(scheme.Moment{}, map[string]string{"message": message})
		require.NoError(t, err)
		made, err := base64.StdEncoding.DecodeString(signed.Headers["X-Sig"])
		require.NoError(t, err)
		require.Len(t, made, 64)
		digest := sha256.Sum256([]byte(message))
		require.True(t, ecdsa.Verify(&key.PublicKey, digest[:],
			new(big.Int).SetBytes(made[:32]), new(big.Int).SetBytes(made[32:])))
		for _, first := range []int{0, 32} {
			if made[first] == 0 {
				zeros[first] = true
			}
		}
	}
	require.Len(t, zeros, 2)
}

// Ed25519 is the pure one: of the message, and not of its digest.
func TestEd25519OfAKnownKey(t *testing.T) {
	t.Parallel()
	seed := make([]byte, ed25519.SeedSize)
	key := ed25519.NewKeyFromSeed(seed)
	made := signature(t, "ed25519", "ed25519", base64.StdEncoding.EncodeToString(key), "m")
	require.True(t, ed25519.Verify(ed25519.PublicKey(key[ed25519.SeedSize:]), []byte("m"), made))
	require.Equal(t, made, signature(t, "ed25519", "ed25519", base64.StdEncoding.EncodeToString(seed), "m"))
}

// BenchmarkSignRSAToCrypto compiles a scheme with RSA-2048, signs by it and signs by crypto/rsa alone in turn, so that
// other work on the machine does not change their ratios, which must be below 2.5.
func BenchmarkSignRSAToCrypto(b *testing.B) {
	text := testKey(b, "rsa.pem")
	block, _ := pem.Decode([]byte(text))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(b, err)
	s, err := scheme.Parse(signs(b, "rsa", "rsa_sha256"))
	require.NoError(b, err)
	signer, err := s.Signer(scheme.Values{
		Secrets: map[string]secret.Text{"private_key": secret.Text(text)}, BaseURL: "https://api.example",
	})
	require.NoError(b, err)
	compiled, declared, alone := time.Hour, time.Hour, time.Hour // the quickest of each: the others were interrupted
	digest := sha256.Sum256([]byte("message"))
	for b.Loop() {
		began := time.Now()
		_, err := scheme.Parse(signs(b, "rsa", "rsa_sha256"))
		require.NoError(b, err)
		compiled = min(compiled, time.Since(began))
		began = time.Now()
		_, err = signer.Sign(scheme.Moment{}, map[string]string{"message": "message"})
		require.NoError(b, err)
		between := time.Now()
		_, err = rsa.SignPKCS1v15(nil, parsed.(*rsa.PrivateKey), crypto.SHA256, digest[:])
		require.NoError(b, err)
		declared, alone = min(declared, between.Sub(began)), min(alone, time.Since(between))
	}
	b.ReportMetric(float64(declared)/float64(alone), "times-crypto")
	b.ReportMetric(float64(compiled)/float64(alone), "compile-times-crypto")
}

// The catalogue's three ways of RFC 9421 to sign with a key pair. Their examples have the RFC's keys, and signatures
// that other programs computed.
func TestMessageSignatures(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ed25519", "ecdsa-p256-sha256", "rsa-pss-sha512"} {
		s := parsed(t, schemes.Text("rfc9421-"+name))
		require.NoError(t, s.CheckExamples(), name)
	}
}
