package scheme_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/avanan"
	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/infinity"
	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
	"github.com/apisig/vault-plugin-apisig/schemes"
)

// received is a login as a vendor receives it.
type received struct {
	method, target, body string
	header               http.Header
}

// loginVendor is a vendor that answers each login with a body, and returns the login that it received last.
func loginVendor(t *testing.T, body string) (url string, last func() received) {
	t.Helper()
	logins := make(chan received, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		for _, name := range []string{"Accept-Encoding", "Connection", "User-Agent"} { // the transport's
			r.Header.Del(name)
		}
		logins <- received{r.Method, r.RequestURI, string(sent), r.Header}
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() received { return <-logins }
}

// builtInLogin is the login of a built-in API.
type builtInLogin interface {
	Login(ctx context.Context, by api.Caller, learned string) (api.Report, error)
}

// requireSameLogin compares the logins of a built-in API and of its scheme: what the vendor receives, the token that they
// read and its life. It returns what the scheme's gave.
func requireSameLogin(t *testing.T, builtIn builtInLogin, made *scheme.Signer, moment scheme.Moment, body string,
	last func() received,
) map[string]secret.Text {
	t.Helper()
	report, err := builtIn.Login(t.Context(), api.Caller{
		Client: exchange.Client{Now: func() time.Time { return moment.Now }},
		NewID:  func() (string, error) { return moment.UUID, nil },
	}, "")
	require.NoError(t, err)
	want := last()
	for name, values := range want.header { // the built-in handshake has an empty x-av-token
		if len(values) == 1 && values[0] == "" {
			want.header.Del(name)
		}
	}

	call, err := made.Login(moment)
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), call.Method, call.URL, strings.NewReader(string(call.Body)))
	require.NoError(t, err)
	request.Header = call.Header
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, want, last())

	gives, err := call.Read(scheme.LoginAnswer{Header: response.Header, Body: []byte(body), At: moment.Now})
	require.NoError(t, err)
	require.Equal(t, report.Token.Value, gives.Values["token"])
	require.Equal(t, report.Token.ExpiresAt.Sub(report.Token.AskedAt), gives.Life)
	return gives.Values
}

// catalogueSigner is a signer of a scheme of the catalogue.
func catalogueSigner(t *testing.T, name string, v scheme.Values) (*scheme.Signer, error) {
	t.Helper()
	s, err := scheme.Parse(schemes.Text(name))
	require.NoError(t, err)
	return s.Signer(v)
}

// jwtOf is a JWT of 50 minutes from a time on.
func jwtOf(now time.Time) string {
	claims := fmt.Sprintf(`{"iat":%d,"exp":%d}`, now.Unix(), now.Add(50*time.Minute).Unix())
	return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2lnbmF0dXJl"
}

// The scheme of the catalogue logs in and signs as the built-in API does, for the values of each published vector: at the
// vector's date where one of the two formats writes it, and otherwise at another. What it does not take is listed.
func TestAvananOfTheCatalogueIsTheBuiltIn(t *testing.T) {
	t.Parallel()
	var vectors []struct {
		ID, Date, Secret, Sig string
		ReqID                 string  `json:"req_id"`
		AppID                 string  `json:"app_id"`
		RequestString         *string `json:"request_string"`
	}
	readJSON(t, "../avanan/testdata/vectors.json", &vectors)
	require.Len(t, vectors, 59)
	refused := map[string]string{ // which the built-in API takes
		"av141": "a secret with a line break",
		"av189": "a secret with a line break",
		"av193": "a secret with a line break",
		"av225": "a secret with a line break",
		"av205": "an app id with a slash",
		"av049": "a request string with a % that is no escape",
	}
	published := 0
	for _, v := range vectors {
		for _, format := range []avanan.DateFormat{avanan.Zoneless, avanan.Zulu} {
			now, dateErr := time.Parse("2006-01-02T15:04:05", strings.TrimSuffix(v.Date, "Z"))
			isVector := dateErr == nil && format.Date(now) == v.Date
			if !isVector {
				now = time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.UTC)
			}
			if isVector && v.RequestString == nil {
				published++
			}
			t.Run(v.ID+" "+string(format), func(t *testing.T) {
				t.Parallel()
				url, last := loginVendor(t, jwtOf(now))
				credentials := avanan.Credentials{AppID: v.AppID, SecretKey: secret.Text(v.Secret)}
				made, err := catalogueSigner(t, "avanan", scheme.Values{
					Secrets: map[string]secret.Text{"secret_key": credentials.SecretKey},
					Fields:  map[string]string{"app_id": v.AppID, "date_format": string(format)},
					BaseURL: url,
				})
				if refused[v.ID] != "" && err != nil {
					return
				}
				require.NoError(t, err)
				moment := scheme.Moment{Now: now, UUID: v.ReqID}
				builtIn := avanan.Account{
					Credentials: credentials, BaseURL: url, DateFormat: format, Timeout: time.Minute,
				}
				moment.Gives = requireSameLogin(t, builtIn, made, moment, jwtOf(now), last)
				if v.RequestString == nil {
					if isVector { // the scheme sends what the built-in API does
						require.Equal(t, v.Sig, credentials.Headers(avanan.Call{ReqID: v.ReqID, Date: v.Date})["x-av-sig"])
					}
					return
				}
				signed, err := made.Sign(moment, map[string]string{"request_string": *v.RequestString})
				if refused[v.ID] != "" || avanan.CheckRequestString(v.AppID, *v.RequestString) != nil ||
					!strings.HasPrefix(*v.RequestString, "/v1.0/") {
					require.Error(t, err)
					return
				}
				require.NoError(t, err)
				require.Equal(t, credentials.Headers(avanan.Call{
					ReqID: v.ReqID, Date: format.Date(now), Token: moment.Gives["token"], RequestString: *v.RequestString,
				}), signed.Headers)
				if isVector {
					require.Equal(t, v.Sig, signed.Headers["x-av-sig"])
				}
			})
		}
	}
	require.Equal(t, 1, published)
}

// A request string with another request in it is refused, in each spelling.
func TestAvananOfTheCatalogueSignsOneRequest(t *testing.T) {
	t.Parallel()
	made, err := catalogueSigner(t, "avanan", scheme.Values{
		Secrets: map[string]secret.Text{"secret_key": "canary-secret"},
		Fields:  map[string]string{"app_id": "US:app"},
		BaseURL: "https://api.example",
	})
	require.NoError(t, err)
	moment := scheme.Moment{Now: time.Unix(1767323045, 0), UUID: "id", Gives: map[string]secret.Text{"token": "t"}}
	for requestString, taken := range map[string]bool{
		"/v1.0/scopes":                    true,
		"/v1.0/x/v1.0":                    true,
		"/v1.0/v1/v1./xv1.0/v1.0x/v1.1/y": true,
		"/v1.0/x?a=/v1.0":                 true,
		"/v1.0/v1.0%3A/x":                 true,
		"/v1.0/x%2Fv1%3A0%2Fy":            true,
		"/v1.0/v1.0/x":                    false,
		"/v1.0/x/v1.0/y":                  false,
		"/v1.0/x/V1.0/y":                  false,
		"/v1.0/x%2Fv1.0%2Fy":              false,
		"/v1.0/x%2fv1.0%2fy":              false,
		"/v1.0/x%252Fv1.0%252Fy":          false,
		"/v1.0/x/%761.0/y":                false,
		"/v1.0/x/v%31.0/y":                false,
		"/v1.0/x/v1%2E0/y":                false,
		"/v1.0/x/v1.%30/y":                false,
		"/v1.0/x?a=%2Fv1.0/y":             false,
		"/v1.0/US:app":                    false,
		"/v1.0/x?a=us:APP":                false,
		"/v1.0/x?a=US%3Aapp":              false,
		"/v1.0/x?a=US%253Aapp":            false,
		"/v1.0/x?a=%55S:app":              false,
	} {
		_, err := made.Sign(moment, map[string]string{"request_string": requestString})
		require.Equal(t, taken, err == nil, "%s: %v", requestString, err)
		if taken {
			require.NoError(t, avanan.CheckRequestString("US:app", requestString), requestString)
		}
	}
}

func TestInfinityPortalOfTheCatalogueIsTheBuiltIn(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 10, 14, 6, 50, 18, 0, time.UTC)
	for name, body := range map[string]string{
		"both":    `{"success":true,"data":{"token":"a.b","csrf":"c","expires":"Mon, 14 Oct 2030 07:20:18 GMT","expiresIn":900}}`,
		"seconds": `{"data":{"token":"a.b","expiresIn":1800}}`,
		"a date":  `{"success":true,"data":{"token":"a.b","expires":"Mon, 14 Oct 2030 07:00:18 GMT"}}`,
		"neither": `{"success":true,"data":{"token":"a.b"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, last := loginVendor(t, body)
			made, err := catalogueSigner(t, "infinity-portal", scheme.Values{
				Secrets: map[string]secret.Text{"access_key": `an "example/+\ key`},
				Fields:  map[string]string{"client_id": "0123456789abcdef"},
				BaseURL: url,
			})
			require.NoError(t, err)
			builtIn := infinity.Account{
				ClientID: "0123456789abcdef", AccessKey: `an "example/+\ key`, Gateway: url, Timeout: time.Minute,
			}
			moment := scheme.Moment{Now: now, UUID: "7a0c8c2e-1f6e-4f0a-9a53-0c1d2e3f4a5b"}
			moment.Gives = requireSameLogin(t, builtIn, made, moment, body, last)
			signed, err := made.Sign(moment, nil)
			require.NoError(t, err)
			require.Equal(t, infinity.Headers("a.b", moment.UUID), signed.Headers)
		})
	}
	made, err := catalogueSigner(t, "infinity-portal", scheme.Values{
		Secrets: map[string]secret.Text{"access_key": "canary-key"},
		Fields:  map[string]string{"client_id": "0123456789abcdef"},
		BaseURL: "https://api.example",
	})
	require.NoError(t, err)
	call, err := made.Login(scheme.Moment{Now: now})
	require.NoError(t, err)
	_, err = call.Read(scheme.LoginAnswer{Body: []byte(`{"success":false,"message":"Authentication failed"}`), At: now})
	require.ErrorIs(t, err, scheme.ErrLoginRefused)
}
