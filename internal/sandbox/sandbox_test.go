package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// The vectors were computed by public clients of the vendors, so they hold the stand-ins to the vendors' arithmetic.
func TestArithmeticAgainstVectors(t *testing.T) {
	t.Parallel()
	read := func(path string) []map[string]string {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		var vectors []map[string]string
		require.NoError(t, json.Unmarshal(content, &vectors))
		require.NotEmpty(t, vectors)
		return vectors
	}
	for _, v := range read("../pave/testdata/vectors.json") {
		text := v["username"] + ":" + v["api_key"] + "@" + v["timestamp"]
		require.Equal(t, v["token"], fmt.Sprintf("%x", hmacSHA256(v["api_secret"], text)), v["id"])
	}
	for _, v := range read("../avanan/testdata/vectors.json") {
		require.Equal(t, v["sig"], avananSig(v["req_id"], v["app_id"], v["date"], v["request_string"], v["secret"]), v["id"])
	}
}
