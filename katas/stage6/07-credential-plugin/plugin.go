package credentialplugin

import (
	"context"
	"errors"
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
	// TODO(kata): ParseRequest, Cache.Get, Login, Cache.Put, Request.Write. What is the cache's key?
	return errors.New("Plugin.Run is not implemented")
}
