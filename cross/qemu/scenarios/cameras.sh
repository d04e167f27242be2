# Five cameras of the kernel at once, each with another pixel format, all seen by one turn: four of the driver `vivid`, and one
# that sends MJPEG, whose pictures a program of the board writes. One that stops is a missing view, and comes back.
modprobe vivid n_devs=4 node_types=0x1,0x1,0x1,0x1 num_inputs=1,1,1,1 input_types=0,0,0,0
modprobe v4l2loopback video_nr=9
udevadm settle
play() {
    /run/board/feeder /dev/video9 /run/board/webcam.mjpeg 640 480 15 &
    feeder=$!
}
play
trap 'kill $feeder || true' EXIT

cameras() {
    local node=0 name
    for name in yuyv nv12 rgb24 gray; do
        printf '[[camera]]\nname = "%s"\nsource = "v4l2:/dev/video%s"\nformat = "%s"\nsize = "640x360"\nfps = 15.0\nfreshness = "5 s"\n' \
            "$name" "$node" "$name"
        node=$((node + 1))
    done
    printf '[[camera]]\nname = "mjpg"\nsource = "v4l2:/dev/video9"\nformat = "mjpg"\nsize = "640x480"\nfreshness = "5 s"\n'
}
for node in 0 1 2 3; do
    [ "$(cat /sys/class/video4linux/video$node/name)" = "vivid-00$node-vid-cap" ] || fail "/dev/video$node is another camera"
done
cameras | configure cameras

see() { [ "$(status | jq '[.cameras[] | select(.available)] | length')" = "$1" ]; }
within 90 see 5
before=$(status)
for camera in yuyv nv12 rgb24 gray mjpg; do
    mode=$(jq -r --arg name "$camera" '.cameras[] | select(.name == $name) | .mode' <<<"$before")
    grep -qi "^$camera 640" <<<"$mode" || fail "$camera streams $mode"
done
# What deciding takes with so many pictures of this size is learnt from the first turns; those may leave views out.
all() {
    record "$(as_service trimtab --json ask "what would you put away from the floor?")" |
        jq -e '[.views[] | select(.available)] | length == 5' >/dev/null
}
within 120 all
# All of them go on while turns look at them.
for turn in 1 2 3; do
    answer=$(as_service trimtab --json ask "what would you put away from the floor?")
    record=$(record "$answer")
    [ "$(jq -c '[.views[] | select(.available) | .name] | sort' <<<"$record")" = '["gray","mjpg","nv12","rgb24","yuyv"]' ] ||
        fail "a view is missing: $(jq -c .views <<<"$record")"
    [ "$(jq '[.views[].association] | unique | length' <<<"$record")" -ge 2 ] || fail "all views look alike: $(jq -c .views <<<"$record")"
done
after=$(status)
for camera in yuyv nv12 rgb24 gray mjpg; do
    frames() { jq -r --arg name "$camera" '.cameras[] | select(.name == $name) | .frames' <<<"$1"; }
    [ "$(frames "$after")" -gt "$(frames "$before")" ] || fail "$camera stands still at $(frames "$after") frames"
done
note "$(jq -c '[.cameras[] | {(.name): "\(.frames) frames, \(.lost) lost, \(.bad) bad, \(.restarts) restarts"}] | add' <<<"$after")"

# One that stops costs nobody else anything, and comes back.
kill "$feeder"
within 60 see 4
answer=$(trimtab --json ask "what would you put away from the floor?")
[ "$(record "$answer" | jq -c '[.views[] | select(.available | not) | .name]')" = '["mjpg"]' ] || fail "not only mjpg is missing"
play
within 90 see 5

# Unplugged while they stream, and plugged in again.
driver=/sys/bus/platform/drivers/vivid
echo vivid.0 >"$driver/unbind"
within 60 see 1
answer=$(trimtab --json ask "what would you put away from the floor?")
[ "$(record "$answer" | jq -c '[.views[] | select(.available) | .name]')" = '["mjpg"]' ] || fail "mjpg suffers from the others"
echo vivid.0 >"$driver/bind"
within 120 see 5

standard
kill "$feeder"
modprobe -r vivid
