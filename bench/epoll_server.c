/*
 * The least that a server of this stream can do: one epoll loop in C, no HTTP but a fixed answer.
 * epoll_server BYTES FPS; prints its port. A viewer that is slow skips whole pictures, as kvmd does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { VIEWERS = 1024, EVENTS = 128 };

static const char answer[] = "HTTP/1.1 200 OK\r\n"
                             "Content-Type: multipart/x-mixed-replace; boundary=frame\r\n"
                             "\r\n"
                             "--frame\r\n";
static const char boundary[] = "\r\n--frame\r\n";

/* Parts are shared and counted, since a slow viewer still sends an old one. */
struct part {
    int users;
    size_t size;
    char data[];
};

struct viewer {
    int fd; /* 0: this place is free */
    int waits;
    size_t sent;
    struct part *part;
    unsigned long shown; /* which picture it had last */
};

static struct viewer viewers[VIEWERS];
static struct part *newest;
static unsigned long newest_number;
static int loop;

static void let_go(struct part *part)
{
    if (part && --part->users == 0)
        free(part);
}

static struct part *make(const char *picture, size_t size)
{
    char head[128];
    int length = snprintf(head, sizeof head, "Content-Type: image/jpeg\r\nContent-Length: %zu\r\n\r\n", size);
    struct part *part = malloc(sizeof *part + length + size + sizeof boundary - 1);
    if (!part)
        abort();
    part->users = 1;
    part->size = length + size + sizeof boundary - 1;
    memcpy(part->data, head, length);
    memcpy(part->data + length, picture, size);
    memcpy(part->data + length + size, boundary, sizeof boundary - 1);
    return part;
}

static void watch(struct viewer *viewer, int operation, int waits)
{
    struct epoll_event event = { .events = EPOLLRDHUP | (waits ? EPOLLOUT : 0), .data.ptr = viewer };
    epoll_ctl(loop, operation, viewer->fd, &event);
    viewer->waits = waits;
}

static void drop(struct viewer *viewer)
{
    close(viewer->fd);
    let_go(viewer->part);
    memset(viewer, 0, sizeof *viewer);
}

static void push(struct viewer *viewer)
{
    while (viewer->part) {
        ssize_t sent = send(viewer->fd, viewer->part->data + viewer->sent, viewer->part->size - viewer->sent,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0)
            break;
        viewer->sent += sent;
        if (viewer->sent == viewer->part->size) {
            let_go(viewer->part);
            viewer->part = NULL;
        }
    }
    if (viewer->waits != (viewer->part != NULL))
        watch(viewer, EPOLL_CTL_MOD, viewer->part != NULL);
}

static void push_newest(struct viewer *viewer)
{
    if (!viewer->fd || viewer->part || viewer->shown == newest_number)
        return;
    viewer->part = newest;
    viewer->shown = newest_number;
    viewer->sent = 0;
    newest->users++;
    push(viewer);
}

static void join(int server)
{
    char request[4096];
    struct viewer *viewer = viewers;
    int on = 1;
    int fd = accept(server, NULL, NULL);
    while (viewer < viewers + VIEWERS && viewer->fd)
        viewer++;
    if (fd < 0 || viewer == viewers + VIEWERS)
        abort();
    if (read(fd, request, sizeof request) <= 0 || write(fd, answer, sizeof answer - 1) < 0) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    viewer->fd = fd;
    watch(viewer, EPOLL_CTL_ADD, 0);
}

static int listen_somewhere(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server, (struct sockaddr *)&address, size) || listen(server, VIEWERS))
        abort();
    getsockname(server, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return server;
}

static int tick(double fps)
{
    long period = 1e9 / fps;
    struct itimerspec when = { .it_interval = { 0, period }, .it_value = { 0, period } };
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    timerfd_settime(timer, 0, &when, NULL);
    return timer;
}

int main(int count, char **words)
{
    struct epoll_event events[EVENTS];
    static int server, timer;
    uint64_t expirations;
    if (count != 3)
        return 2;
    size_t size = strtoul(words[1], NULL, 10);
    char *picture = calloc(1, size);
    loop = epoll_create1(0);
    server = listen_somewhere();
    timer = tick(atof(words[2]));
    epoll_ctl(loop, EPOLL_CTL_ADD, server, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = &server });
    epoll_ctl(loop, EPOLL_CTL_ADD, timer, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = &timer });
    for (;;) {
        int ready = epoll_wait(loop, events, EVENTS, -1);
        for (int number = 0; number < ready; number++) {
            void *who = events[number].data.ptr;
            if (who == &server) {
                join(server);
            } else if (who == &timer) {
                if (read(timer, &expirations, sizeof expirations) < 0)
                    abort();
                let_go(newest);
                newest = make(picture, size);
                newest_number++;
            } else if (events[number].events & ~EPOLLOUT) {
                drop(who);
            } else {
                push(who);
            }
        }
        for (struct viewer *viewer = viewers; viewer < viewers + VIEWERS; viewer++)
            push_newest(viewer);
    }
}
