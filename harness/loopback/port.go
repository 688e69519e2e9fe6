package loopback

import "net"

// FreePort returns a port of 127.0.0.1 on which nobody listens. It is for what cannot be handed a listener: another process may be faster, and take
// the port first.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}
