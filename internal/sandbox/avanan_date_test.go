package sandbox_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

func TestAvananTakesOnlyItsFormOfDate(t *testing.T) {
	t.Parallel()
	require.Equal(t, sandbox.Zoneless, sandbox.Default().AvananDates)
	for _, sent := range []struct {
		date, sig      string
		zoneless, zulu bool
	}{
		{"2026-01-02T03:04:05.123456", "a02b97196970a938c0b162a7469abda187c502ccd74bafa91608026d9f6cc79c", true, false},
		{"2026-01-02T03:04:05.123", "ec097c9a8bf3e3d444c84e0488f9582c0b7ce7d86719bcdeda25d477e32aa824", true, false},
		{"2026-01-02T03:04:05", "ac29c53903467001420b137e75ea489762b443c1115a17ada1ae9cb428472969", true, false},
		{"2026-01-02T03:04:05.123Z", "fee0d7fca2d7d84f59db0148d40f39eb6f3b38248e4cdd5727f9ce3e42370c39", false, true},
		{"2026-01-02T03:04:05Z", "9fd070e07307d5e3f4e93efc533203ab197f8768632bed23849f69e96d6ee900", false, false},
		{"2026-01-02T03:04:05.123456Z", "b57d6e2fa2b7cc65b26814ab52327fab6932e4deb7f9fb842c6cbca4486912f5", false, false},
		{
			"2026-01-02T03:04:05.123456+00:00", "e420982edb436b925f7bc8881e4fef2c50d25f1ea4fa3e8df55eca63d5cab7ae", false, false,
		},
		{"2026-01-02T03:04:05.1", "a2cfeaa77373ff5c282d0e3913f74427e7e5c5be71ebc54d3c035768f0de7dd8", false, false},
		{"2026-01-02 03:04:05.123456", "2b59c6ff4cc1e187433c9b17dfb8615bd788205c63b5f31272087b22e26d3f12", false, false},
		{"2026-13-02T03:04:05", "a73ad6e46d68546412eadfe184042fbca782f371760813ab60f23f1e5f4476ef", false, false},
		{"Fri, 02 Jan 2026 03:04:05 GMT", "0b236810501b73d66bb9b0f903e7b7cd65dbea178db048193758447aa36d6979", false, false},
	} {
		for dates, want := range map[sandbox.Dates]struct {
			taken   bool
			refusal int
		}{
			sandbox.Zoneless: {sent.zoneless, http.StatusInternalServerError},
			sandbox.Zulu:     {sent.zulu, http.StatusBadRequest},
			sandbox.Both:     {sent.zoneless || sent.zulu, http.StatusBadRequest},
		} {
			status := want.refusal
			if want.taken {
				status = http.StatusOK
			}
			s := start(func(b *sandbox.Behaviour) { b.AvananDates = dates })
			headers := with(with(handshakeHeaders(), "x-av-date", sent.date), "x-av-sig", sent.sig)
			got, _ := send(s, http.MethodGet, "/v1.0/auth", headers, "")
			require.Equal(t, status, got, "%s is sent, %s is taken", sent.date, dates)
		}
	}
}

func TestAvananRefusesDatesFiveMinutesOff(t *testing.T) {
	t.Parallel()
	for _, sent := range []struct {
		date, sig string
		status    int
	}{
		{"2026-01-02T02:59:05", "c17f745057035f4ef3574d21262f80d754cc1ee6719fb24c4024ac82bbd99236", http.StatusOK},
		{"2026-01-02T03:09:05", "b1d020aa38f053a3a366fbc34a090de6aff031aaa755c1d125a9792de724d7ce", http.StatusOK},
		{
			"2026-01-02T02:59:04.999999", "bae3a8b7d3c7bdce1e435ddec738e9ec609a40cd55cd1afd4b0cc7506a7e390a",
			http.StatusForbidden,
		},
		{
			"2026-01-02T03:09:05.000001", "31068b48ff773bdda0accb643b33708f68c58473af7a90ea5bf10ff4013270ee",
			http.StatusForbidden,
		},
	} {
		headers := with(with(handshakeHeaders(), "x-av-date", sent.date), "x-av-sig", sent.sig)
		got, _ := send(start(nil), http.MethodGet, "/v1.0/auth", headers, "")
		require.Equal(t, sent.status, got, sent.date)
	}
}
