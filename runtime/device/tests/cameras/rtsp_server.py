"""GStreamer's RTSP server with a few cameras, for one run of a test: rtsp_server.py PORT [basic|digest USER PASSWORD | tls CERTIFICATE KEY]"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PICTURES = "videotestsrc is-live=true pattern=smpte ! video/x-raw,format=I420,width=320,height=240,framerate=15/1"
MOUNTS = {
    "jpeg": f"{PICTURES} ! jpegenc ! rtpjpegpay name=pay0",
    # Few packets hold a picture, and their order is what it should not be.
    "small-packets": f"{PICTURES} ! jpegenc ! rtpjpegpay mtu=300 name=pay0",
    "damaged": f"{PICTURES} ! jpegenc ! breakmydata skip=12000 probability=0.01 ! rtpjpegpay name=pay0",
    "h264": f"{PICTURES} ! x264enc tune=zerolatency key-int-max=15 ! rtph264pay name=pay0",
    "sound": "audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay0",
}
ROLE = "viewer"


def guard(server, method, *files_or_names):
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", ROLE)
    if method == "tls":
        # Whoever trusts it may look.
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(*files_or_names))
        auth.set_default_token(token)
    elif method == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(*files_or_names, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*files_or_names), token)
    server.set_auth(auth)


def main(port, *guarded):
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    if guarded:
        guard(server, *guarded)
    for name, pipeline in MOUNTS.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(f"( {pipeline} )")
        factory.set_shared(True)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role(ROLE, "media.factory.access", True)
        permissions.add_permission_for_role(ROLE, "media.factory.construct", True)
        if guarded:
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory(f"/{name}", factory)
    if not server.attach(None):
        sys.exit(f"port {port} is taken")
    print("ready", flush=True)
    GLib.MainLoop().run()


main(*sys.argv[1:])
