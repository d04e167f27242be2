/* Plays a webcam: writes the JPEG pictures of a file, one after the other and over again, into a loopback video device.
 *
 *   feeder DEVICE FILE WIDTH HEIGHT FRAMES_A_SECOND
 *
 * The file holds whole JPEG pictures and nothing between them. The pictures are found by their first and last markers, so they
 * must hold no thumbnail. Ends with 1 and a line on standard error where anything fails. */
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 4 << 20 };
static unsigned char pictures[FILE_BYTES_MAX];

static void fail(const char *what) {
    fprintf(stderr, "feeder: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Bytes from `at` up to and with the picture's last marker; 0 where none is whole. */
static size_t picture(size_t at, size_t size) {
    for (size_t end = at + 2; end + 1 < size; end++)
        if (pictures[end] == 0xff && pictures[end + 1] == 0xd9)
            return end + 2 - at;
    return 0;
}

int main(int count, char **words) {
    if (count != 6) {
        fprintf(stderr, "usage: feeder DEVICE FILE WIDTH HEIGHT FRAMES_A_SECOND\n");
        return 2;
    }
    FILE *file = fopen(words[2], "rb");
    if (!file)
        fail(words[2]);
    size_t size = fread(pictures, 1, sizeof pictures, file);
    fclose(file);
    if (picture(0, size) == 0) {
        fprintf(stderr, "feeder: %s holds no whole picture\n", words[2]);
        return 1;
    }

    int device = open(words[1], O_RDWR);
    if (device < 0)
        fail(words[1]);
    struct v4l2_format format = {.type = V4L2_BUF_TYPE_VIDEO_OUTPUT};
    format.fmt.pix.width = (unsigned)atoi(words[3]);
    format.fmt.pix.height = (unsigned)atoi(words[4]);
    format.fmt.pix.pixelformat = V4L2_PIX_FMT_MJPEG;
    format.fmt.pix.field = V4L2_FIELD_NONE;
    if (ioctl(device, VIDIOC_S_FMT, &format) < 0)
        fail("VIDIOC_S_FMT");

    long rate = atol(words[5]);
    struct timespec pause = {.tv_sec = rate == 1, .tv_nsec = rate > 1 ? 1000000000L / rate : 0};
    for (size_t at = 0;;) {
        size_t length = picture(at, size);
        if (length == 0) {
            at = 0;
            continue;
        }
        if (write(device, pictures + at, length) < 0)
            fail(words[1]);
        at += length;
        nanosleep(&pause, NULL);
    }
}
