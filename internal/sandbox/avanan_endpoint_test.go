package sandbox_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// avananCalls are the calls of the vendor's pages and public clients. One signature holds for every method, because it
// does not cover the method.
var avananCalls = []struct{ target, sig, methods string }{
	{"/v1.0/scopes", "5f3aab2ef63d37af74f1ce11b38c51bcce4d239885ef6358b6e5aac022bfdedc", "GET"},
	{
		"/v1.0/event/ebb3e4bc8a9b14d7a529bb54ea6991b6", "853632a84f93529c02a2758a103a8ae3aacc9c12a8cf3dd1329aea4d45be4cbb",
		"GET",
	},
	{"/v1.0/event/query", "a5b8778ad86e5a72aa5be22d4e817fd5c38e871343e2ddf30a4be2e4c02af37b", "GET POST"},
	{
		"/v1.0/search/entity/7f0e023d3e28b3de71beddba9bc1031f",
		"0252d4fa738237203a859bcf40fd3bb4755e100f209a241c50b32ddcabfbe036", "GET",
	},
	{"/v1.0/search/query", "29db89ec5f49a5cfe774edbd659a1f2af7b1ddc2e60b4a8fdd4186c544a38dce", "POST"},
	{"/v1.0/task/123445311234", "0dadaf06549f8a1259275f699094f334571b28b7054b5bee5c545870f18bb3f7", "GET"},
	{
		"/v1.0/task/123445311234?scope=mt-prod-3%3Aacme", "22c717707f03988964fdfa4d58e0867ffda815b3f705c5b0f1c22bc53b41fccd",
		"GET",
	},
	{
		"/v1.0/task/123445311234?scope=mt-prod-3:acme", "4904cefb5c4765880f0beaacce23a8713e64842497b36773266d6c8794738e84",
		"GET",
	},
	{"/v1.0/exceptions/whitelist", "584edb1ef81ea8585ff2a26e069a65a34cff0507c503e5f752ae44e468fb9972", "GET POST PUT"},
	{"/v1.0/exceptions/blacklist", "c39100ba1fc3002c0934e2c3ffd07232b2da022de21cc349c34548d5643d7765", "GET POST PUT"},
	{
		"/v1.0/exceptions/whitelist/b%C3%BCcher", "dd18ce8128034a6a7ed8fcc92417765851fc8dcd6b3cb083e7712236b90a91a5",
		"GET POST PUT",
	},
	{"/v1.0/exceptions/blacklist/1", "1dec5090055517e45fbda00f3971fbad9bdeaacece92dd3ed27b192fbc7e67c2", "GET POST PUT"},
	{"/v1.0/exceptions/whitelist/delete/1", "e537ba1a51006330135ed19869cd4cf41ede0e731befacd46fa4a3e179e85d0b", "POST"},
	{"/v1.0/exceptions/blacklist/delete/1", "a2bb88d7b542af0c8fa890238942d761970f4dc8d4e041207155ab853c313db1", "POST"},
	{
		"/v1.0/sectool-exceptions/avanan_url", "430d674ba2bf3b012529b856a421588f53f3a54def55c716206c4afed5a8ed40",
		"GET POST PUT DELETE",
	},
	{
		"/v1.0/sectool-exceptions/avanan_url/exceptions", "c4208a07fa486f4e99064d3b0e88ba51934fc252410920b658f3bd9f3d2e024b",
		"GET DELETE",
	},
	{
		"/v1.0/sectool-exceptions/avanan_dlp/exceptions/sender_email",
		"ef14a5fb1ccd1c9f043f72b588f922a44d4bcf633b65d22cbddbbb92b7d5572d", "GET",
	},
	{
		"/v1.0/sectool-exceptions/avanan_url/exceptions/block-url/http%3A%2F%2Fx.test%2Fa",
		"f3d8569822051ccbed70462257c4987869b9acfc851669b2fa5252ed515e6d10", "GET",
	},
	{
		"/v1.0/sectools/anomaly/exceptions", "1454888954677120fdc0cf0638672e265899ae6122a8318ed6e04efe811d2615",
		"GET POST DELETE",
	},
	{
		"/v1.0/sectools/click_time_protection/exceptions", "e3c41e31c7950a512f65170eb429ab1f07a1a114dd200722b5945baf36a13203",
		"GET DELETE",
	},
	{
		"/v1.0/sectools/click_time_protection/exceptions/1?scopes=mt-prod-3%3Aacme",
		"fbc6728b442fdd98107333ef8222229b588b56e0b0cc17884cf5a7e670c08023", "GET",
	},
	{
		"/v1.0/sectools/click_time_protection/exceptions/items",
		"fee13fbc94e66c6c6b022b9f1459a6f25f6b2a9da523818d888911d7e3bd7fc9", "GET POST DELETE",
	},
	{
		"/v1.0/sectools/click_time_protection/exceptions/items/1",
		"3fc19921a29379e28ff421e3adc08e124504b712d53611924624ce5aba6fcbe5", "GET PUT DELETE",
	},
	{"/v1.0/msp/tenants", "954d770c8d0957df7907e3f16ad16327bff6b6fb26a3616ad53673bd6a9e603c", "GET POST DELETE"},
	{
		"/v1.0/msp/tenants?scrollId=a%2Bb", "6b2a73798d42a1bc854f6d95381cfc0a96ddb46a555012c960caeb61d3b88711",
		"GET POST DELETE",
	},
	{"/v1.0/msp/tenants/1", "e99f2095c2b27646e5649771df22beab418368a919b3fb566b2a8587f489731a", "GET POST DELETE"},
	{"/v1.0/msp/users", "feee35b58565ed6f862c468400fde8167084e4bf4c673b7bb1ea8e3da97dfeae", "GET"},
	{"/v1.0/msp/addons", "75cec77c6fc6fc41e7ce1ab64c5be00950d7b9838dd30896c22114c2623ea8ac", "GET"},
	{"/v1.0/msp/usage?year=2026&month=8", "12bdaf72713f79f9f1780fcce828af231d53b394c6e4024180f17f60e2c2af06", "GET"},
	{"/v1.0/msp/usage/daily", "b0fa722a6e2df7f4c50db4c65f445572b427f7103d5349f130bba3d7f3b372df", "GET"},
	{"/v1.0/msp/licenses", "81c19fcae406392474aae9a7eed566e6c6a16ae0558f298198836c768ed9c983", "GET"},
	{"/v1.0/msp/msp-partners", "c520d9569b949c478b899fcde512462418f486b3345ed657509d69526c96a9c1", "GET"},
	{"/v1.0/msp/msp-partners-extended", "94f9acb9482de2fca7c671b7e13e1400df3b3a1e96d97476c442692abbd48ffa", "GET"},
	{
		"/v1.0/download/entity/x?scope=a%3Ab&original=False",
		"a4adc44b736e075c6705853eaa6a4ad31c76ae55271009704975c5e61654961e", "GET",
	},
	{"/v1.0/download_large_email/entity/x", "a0213c0436e907a56256af1a85d97ca01106ed09115940408201ed700bf323b8", "GET"},
	{"/v1.0/soar/entity/x", "d364f2aad7bb05ca064711dd70558a766436ab3082d1658564b321e0c5398f5b", "GET"},
	{"/v1.0/soar/notify", "dd09edee50b94625933cea0ffe60a05ff235ec39882d1a7aa82ed89bec9cd1b8", "GET POST"},
	{"/v1.0/report/mis-classification", "d41f72e143660be7431d70e5bf692d86b6c8dc814d96c8096d325c3a20a62399", "GET POST"},
	{"/v1.0/action/event", "6b7a655f3576674e3c66dc42f710ccfa555841daee79d7f0ddc9803170191212", "POST"},
	{"/v1.0/action/entity", "c4910ce1db0d1ff210351079185ed97ca253618d24bd117d133e722a432fafce", "POST"},
}

func TestAvananServesItsEndpoints(t *testing.T) {
	t.Parallel()
	for _, call := range avananCalls {
		requireMethods(t, call.methods, call.target, func() (*sandbox.Sandbox, map[string]string) {
			s := start(nil)
			return s, callHeaders(call.sig, login(t, s))
		})
	}
}

func TestAvananAnswersNotFoundForOtherPaths(t *testing.T) {
	t.Parallel()
	for _, call := range []struct{ target, sig string }{
		{"/v1.0/other", "dd34eae2adcc93ef9b780d157dbbc8a60a6fe987c28d238674f8cad3a546e09a"},
		{"/v1.0/auth/1", "e9bfc0d80f01fe53893e13a30d70ead63028740bc99afb51690050acb6ec833b"},
		{"/v1.0/event/", "5d64bff81db3690f3648141da736a967b0e2db74fb3a8131f05e362e640811f7"},
		{"/v1.0/event/1/2", "88d3f3efa50f8eb14a9cb3a943be1235ddca4c045d1665e8eb2af689053f6203"},
		{"/v1.0/event%2F1", "213cf8200a4e2b6efd0ab035b4e20823890556191c347d8c4e428416871099b7"},
		{"/v1.0/scopes/", "53b35d6866104f44b63a6643003d79093add2c3621493c055d03cbf4efcaf6df"},
		{"/v1.0/exceptions/other", "40869bd1a192db184058ea1a9b87c93ad45ed34cd8e48b117f503681cc62cd37"},
		{"/v1.0/exceptions/whitelist/1/2", "81d20b685118c3070df627e89e56604aaacbee79bd53931700a0e53c6afddf11"},
		{"/v1.0/soar", "59a79963fac1f54a42e71479d99fdf6b29c2938b0e0e840bb342cfb8b97e7926"},
		{"/v1.0/soar/", "ad9a26a9893c3c7d1f894a2c1501872e8f8d118bfc96dffcd7570cd8259e7aff"},
		{"/v1.0/sectools/a//b", "436744e9fe90916fbe90e0d074efb99d9056b553a8589c7b2418559e874c34e5"},
	} {
		requireMethods(t, "", call.target, func() (*sandbox.Sandbox, map[string]string) {
			s := start(nil)
			return s, callHeaders(call.sig, login(t, s))
		})
	}
}

func TestAvananAnswersInItsEnvelope(t *testing.T) {
	t.Parallel()
	for _, call := range avananCalls[:2] {
		s := start(nil)
		status, body := send(s, http.MethodGet, call.target, callHeaders(call.sig, login(t, s)), "")
		require.Equal(t, http.StatusOK, status)
		data := `[]`
		if call.target == "/v1.0/scopes" {
			data = `["mt-prod-3:acme"]`
		}
		require.JSONEq(t, `{"responseEnvelope":{"requestId":"sandbox","responseCode":200,"responseText":"Success"},`+
			`"responseData":`+data+`}`, body)
	}
}
