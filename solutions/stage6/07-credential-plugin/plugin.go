package credentialplugin

import (
	"context"
	"fmt"
	"io"
)

// Plugin answers requests.
type Plugin struct {
	// User is whom it logs in.
	User  string
	Cache *Cache
	// Login asks whoever hands tokens out for one, for the User and the server of the request.
	Login func(ctx context.Context, user string, r *Request) (Token, error)
	// Log is for people: client-go shows them what the plugin writes to its standard error.
	Log io.Writer
}

// Run answers the request info, which is the content of KUBERNETES_EXEC_INFO, on out.
//
// A token that the cache has for this user and this server is handed out again. Otherwise Login gives one, which goes into the cache; that it
// could not be kept is a line on Log, and no error. A token that is empty, or good for no longer than Margin, is an error, however fresh, and is not kept:
// client-go would start the plugin again for every request.
//
// out gets an ExecCredential or, when Run returns an error, nothing.
func (p *Plugin) Run(ctx context.Context, info string, out io.Writer) error {
	// kata:begin ParseRequest, Cache.Get, Login, Cache.Put, Request.Write. What is the cache's key?
	r, err := ParseRequest(info)
	if err != nil {
		return err
	}
	key := fmt.Sprintf("%q %q", p.User, r.Server)
	t, ok := p.Cache.Get(key)
	if !ok {
		t, err = p.Login(ctx, p.User, r)
		if err != nil {
			return fmt.Errorf("log %s in to %s: %w", p.User, r.Server, err)
		}
		if t.Value == "" {
			return fmt.Errorf("log %s in to %s: the token is empty", p.User, r.Server)
		}
		if !t.Expires.IsZero() && !p.Cache.Clock.Now().Add(Margin).Before(t.Expires) {
			return fmt.Errorf("log %s in to %s: the token expires at %s already", p.User, r.Server, t.Expires)
		}
		if err := p.Cache.Put(key, t); err != nil {
			fmt.Fprintln(p.Log, "warning:", err)
		}
	}
	return r.Write(out, t)
	// kata:end
}
