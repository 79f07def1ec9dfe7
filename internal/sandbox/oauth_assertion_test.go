package sandbox_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// The public keys of RFC 9500, section 2.1, and RFC 9421, appendix B.1.3. Their private keys are published too, so the
// signatures below can be made again: RS256 with openssl, ES256 with schemes/testdata/sign.py.
const (
	rsaPublicKey = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsPnoGUOnrpiSqt4XynxA
+HRP7S+BSObI6qJ7fQAVSPtRkqsotWxQYLEYzNEx5ZSHTGypibVsJylvCfuToDTf
Mul8b/CZjP2Ob0LdpYrNH6l5hvFE89FU1nZQF15oVLOpUgA7wGiHuEVawrGfey92
UE68mOyUVXGweJIVDdxqdMoPvNNUl86BU02vlBiESxOuox+dWmuVV7vfYZ79Toh/
LUK43YvJh+rhv4nKuF7iHjVjBd9sB6iDjj70HFldzOQ9r8SRI+9NirupPTkF5AKN
e6kUhKJ1luB7S27ZkvB3tSTT3P593VVJvnzOjaA1z6Cz+4+eRvcysqhrRgFlwI9T
EwIDAQAB
-----END PUBLIC KEY-----`
	p256PublicKey = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END PUBLIC KEY-----`
)

// assertion is a header, claims and their signature.
type assertion struct{ header, claims, signature string }

// form is that of a login with the assertion.
func (a assertion) form() string {
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return grant + "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer" +
		"&client_assertion=" + encode(a.header) + "." + encode(a.claims) + "." + a.signature
}

// claimsOf are claims of an assertion that expires in five minutes, with a change.
func claimsOf(old, changed string) string {
	return strings.Replace(`{"iss":"sandbox-client","sub":"sandbox-client","aud":"http://example.com/oauth2/token",`+
		`"jti":"one","exp":1767323345}`, old, changed, 1)
}

// In each row that is refused, but those about the form and the signature, the signature is right.
func TestOAuthClientSignsAnAssertion(t *testing.T) {
	t.Parallel()
	const (
		rs256 = `{"alg":"RS256"}`
		es256 = `{"alg":"ES256"}`
		good  = "DlO-PJHOYKKN8ulUZiS5UslkMmnWpJ7jo2SSZ1UbHdE5zSwI75-QoUUHgU5Za9nRtzGec73FYYYhcxdfYwbdFw"
		rsa   = "dzg5e3ShpkPLMBF4jWt8EvNgkyzzZx-cAMm4tUiqB66StfYdTsPjkCB5VpLbW0HNKt1Sw2RMkoHSBuol-evfSIZNs3HA6V7pmiu1" +
			"YSsYFENPgrHt_3QcW8fn6wrMSj-VJWq4nZQGBexJQImk08CRh6u3rhkZ9Vu1Z047oGZCrwzUkWQWJzCKRBqOTFHYvVpHKYRiUufMApNI6z-E" +
			"OiHAPcwgjZ6Yc5zUDGb68AOYNNEqNqMKr8zZF9dl3UCemGiNlHLnx82iq-xG0jwVv2Yj2aYNl9pJW1lFuc2UHg2RQXgM5k8AJOnds_evcmtw" +
			"3z3TLPEhGJSQhHGYlRQoj3w8MA"
		rsaAsES = "Zkrw__8IFifqT5AWiGJL9os0aqvyh-rJJXp5PR2aq3O5wBntFtP6FRqVu4WoYpNoiH_Zt_2GS_uVhCaZiWVR0Zz6EP-7K3I9Ae" +
			"KLOCmPoBEpS_qs7cWioz3Zz4a0HTwm4PZNrVsHhqmzzPFP7Sqb_aQtaIHVgk_P7vDMQxrfr46jzaYxhe5aOU8EZtzdS_SctV7DFAwM92Ykja" +
			"Due9yp2HvVMseMsI0rKrkFXlqzKYxkdagJV0hymULOf5XxuQ58t8qcsfMG06Pvllti7HXimfqqWAM_h3Yc8ht9YtMoQ6jOu9alQSNc22HL5W" +
			"Ikani1QWiu-yl5Cl8PObWXbDAM_g"
		expired = "V3timgFIpPh5WEEV5nr-x_xICl9VG5HfuMB3U-vfUFk2jIp1CDTWD7Bk1GBJioqkupHFdUM3In-I3smf2bQexg"
		long    = "vt-pCOTcISoJSD9KX6C7i8rsHXv6XVAiQ634rBZHrh9eNib3s1hP5_3g8JwDXe8IlekK9B93baqvXKOyt0nCLw"
		other   = "S-R-HGscUyfEQckrLHW7duYxtJFvu1RrHJmmZteOy5l7TSgjFXCdQ9BnVmflIh27AZzbhRAsgF2_5YhyMZKuAA"
		issuer  = "ZfCMnS7gjhRj_Z4zi1rMEUwdNrdn35N34tQTYCBfwbkc74fs8YsNV7LTlRASp47_YosAfvDu47xtCxizhQ7eKA"
		padded  = "AA5TvjyRzmCijfLpVGYkuVLJZDJp1qSe46NkkmdVGx3RADnNLAjvn5ChRQeBTllr2dG3MZ5zvcVhhiFzF19jBt0X"
		noID    = "9GrlzXgMMNenIPcUeq17ezFd_Bc5WuplaoUCQ4rk80XI2o2SUCYc9EEOg-L28FPvtKPHMQM31ZS8tp34H-DScA"
		none    = "VANchkmWtXYA65OYzUzptOKrT9lgc7SHX5t_f0TRLMl5ajX-ohdAQrvqs-2M1LwV4HoGSerBPc-GrX-_HOlFtg"
	)
	right := assertion{es256, claimsOf("", ""), good}
	for name, test := range map[string]struct {
		key, form string
		taken     bool
	}{
		"RS256":                {rsaPublicKey, assertion{rs256, claimsOf("", ""), rsa}.form(), true},
		"ES256":                {p256PublicKey, right.form(), true},
		"with the client's id": {p256PublicKey, right.form() + "&client_id=sandbox-client", true},
		"with another id":      {p256PublicKey, right.form() + "&client_id=other", false},
		"with a secret":        {p256PublicKey, right.form() + "&client_secret=sandbox-oauth-secret", false},
		"of another type":      {p256PublicKey, strings.Replace(right.form(), "jwt-bearer", "saml2-bearer", 1), false},
		"no key":               {"", right.form(), false},
		"not a key":            {"x", right.form(), false},
		"another key":          {rsaPublicKey, right.form(), false},
		"other claims":         {p256PublicKey, assertion{es256, claimsOf("one", "two"), good}.form(), false},
		"a short signature":    {p256PublicKey, assertion{es256, claimsOf("", ""), good[:80]}.form(), false},
		"a padded signature":   {p256PublicKey, assertion{es256, claimsOf("", ""), padded}.form(), false},
		"another algorithm":    {p256PublicKey, assertion{`{"alg":"none"}`, claimsOf("", ""), none}.form(), false},
		"RSA called ES256":     {rsaPublicKey, assertion{es256, claimsOf("", ""), rsaAsES}.form(), false},
		"expired":              {p256PublicKey, assertion{es256, claimsOf("323345", "323045"), expired}.form(), false},
		"of more than an hour": {p256PublicKey, assertion{es256, claimsOf("323345", "326646"), long}.form(), false},
		"for another server":   {p256PublicKey, assertion{es256, claimsOf(".com", ".org"), other}.form(), false},
		"of another issuer":    {p256PublicKey, assertion{es256, claimsOf("sandbox-client", "other"), issuer}.form(), false},
		"without an id":        {p256PublicKey, assertion{es256, claimsOf("one", ""), noID}.form(), false},
		"not a JWT":            {p256PublicKey, grant + "&client_assertion=a.b", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(func(b *sandbox.Behaviour) { b.OAuthPublicKey = test.key })
			status, body := send(s, http.MethodPost, "/oauth2/token", asForm(""), test.form)
			if !test.taken {
				require.Equal(t, http.StatusUnauthorized, status)
				require.JSONEq(t, `{"error":"invalid_client"}`, body)
				return
			}
			require.Equal(t, http.StatusOK, status, body)
			sent, err := url.ParseQuery(test.form)
			require.NoError(t, err)
			require.Equal(t, []string{sent.Get("client_assertion")}, s.OAuthAssertions())
			status, _ = send(s, http.MethodPost, "/oauth2/token", asForm(""), test.form)
			require.Equal(t, http.StatusUnauthorized, status, "an assertion can be used once")
		})
	}
}
