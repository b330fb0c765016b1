// Boxes in the middle that change what passes: options, numbers, marks, the cuts between segments. Whatever they do to a
// connection, its transfer completes, or ends with an error that says so, in bounded virtual time and frames.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/link.hpp"
#include "tcpco/wire/ipv4.hpp"
#include "tcpco/wire/tcp_options.hpp"

using namespace tcpco_test;

namespace {

using sim = simulation<>;

constexpr std::size_t link_header = 14;
constexpr duration ten_minutes{600'000'000'000};

// A frame's TCP segment, taken apart to be changed.
struct opened {
    int from = 0;  // 0: the client
    ipv4_header ip{};
    tcp_header tcp{};
    octets options;
    octets text;

    bool syn() const { return tcp.has(tcp_flag::syn); }
    bool syn_ack() const { return syn() && tcp.has(tcp_flag::ack); }
    // As a middlebox does it that leaves all lengths alone: NOPs in the option's place.
    void blank(std::uint8_t kind)
    {
        for (std::size_t i = 0; i + 1 < options.size();) {
            const auto k = std::to_integer<std::uint8_t>(options[i]);
            const std::size_t size = k == 1 ? 1 : std::to_integer<std::size_t>(options[i + 1]);
            if (k == 0 || size == 0) {
                return;
            }
            if (k == kind) {
                std::fill_n(options.begin() + static_cast<std::ptrdiff_t>(i), size, std::byte{1});
            }
            i += size;
        }
    }
    // The content of an option, to be changed in place; empty where there is none.
    std::span<std::byte> find(std::uint8_t kind)
    {
        for (std::size_t i = 0; i + 1 < options.size();) {
            const auto k = std::to_integer<std::uint8_t>(options[i]);
            const std::size_t size = k == 1 ? 1 : std::to_integer<std::size_t>(options[i + 1]);
            if (k == 0 || size == 0) {
                break;
            }
            if (k == kind) {
                return std::span{options}.subspan(i + 2, size - 2);
            }
            i += size;
        }
        return {};
    }
};

constexpr std::uint8_t mss_option = 2;
constexpr std::uint8_t scale_option = 3;
constexpr std::uint8_t sack_permitted_option = 4;
constexpr std::uint8_t sack_option = 5;
constexpr std::uint8_t timestamps_option = 8;

std::optional<opened> take_apart(int from, const octets& frame)
{
    const auto packet = parse_ipv4(std::span{frame}.subspan(link_header));
    if (!packet || packet->header.protocol != ip_protocol::tcp) {
        return std::nullopt;
    }
    const auto segment = parse_tcp(packet->payload);
    if (!segment) {
        return std::nullopt;
    }
    return opened{.from = from,
                  .ip = packet->header,
                  .tcp = segment->header,
                  .options = {segment->options.begin(), segment->options.end()},
                  .text = {segment->payload.begin(), segment->payload.end()}};
}

// The frame with this segment in it, all lengths and checksums made right.
octets put_together(const octets& like, opened o)
{
    const std::size_t size = ipv4_header_size + tcp_header_size + o.options.size() + o.text.size();
    octets frame(like.begin(), like.begin() + link_header);
    frame.resize(link_header + size);
    o.ip.total_length = static_cast<std::uint16_t>(size);
    o.tcp.data_offset = static_cast<std::uint8_t>((tcp_header_size + o.options.size()) / 4);
    const auto ip = std::span{frame}.subspan(link_header);
    write_ipv4(o.ip, ip);
    const auto segment = ip.subspan(ipv4_header_size);
    write_tcp(o.tcp, segment);
    std::copy(o.options.begin(), o.options.end(), segment.begin() + tcp_header_size);
    std::copy(o.text.begin(), o.text.end(),
              segment.begin() + static_cast<std::ptrdiff_t>(tcp_header_size + o.options.size()));
    write_tcp_checksum(0, segment);
    const std::span<const std::byte> pieces[] = {segment};
    write_tcp_checksum(transport_checksum(o.ip.source, o.ip.destination, ip_protocol::tcp, pieces), segment);
    return frame;
}

struct path {
    const char* name;
    link_profile profile;
};

// Without loss, and with enough of it that SACK, D-SACK and timeouts have their say.
constexpr path paths[] = {
    {"clean", {.delay = duration{10'000'000}, .per_frame = duration{100'000}}},
    {"lossy",
     {.loss = 0.03,
      .duplicate = 0.01,
      .reorder = 0.05,
      .delay = duration{10'000'000},
      .jitter = duration{5'000'000},
      .per_frame = duration{100'000}}},
};

struct through {
    sim net;

    explicit through(const link_profile& profile, std::uint64_t seed = 1,
                     stack_config<default_policies> ca = sim::config_a(),
                     stack_config<default_policies> cb = sim::config_b())
        : net{ca, cb, profile, seed}
    {
        net.skip_arp();
        net.frame_limit = 20'000;
        net.at_a.to_send = pattern(100'000);
        net.at_b.to_send = pattern(40'000, 3);
    }
    void changes(std::function<void(opened&)> change)
    {
        net.link.rewrites = [change = std::move(change)](int from, octets& frame) {
            if (auto o = take_apart(from, frame)) {
                change(*o);
                frame = put_together(frame, std::move(*o));
            }
        };
    }
    // Answers what complete() does.
    std::string run()
    {
        net.open();
        return net.complete(ten_minutes);
    }
};

// On each path, with each seed: the whole life of a connection through a box that does this.
void completes_through(const std::function<std::function<void(opened&)>()>& box)
{
    for (const path& p : paths) {
        for (const std::uint64_t seed : {1u, 2u}) {
            CAPTURE(p.name, seed);
            through t{p.profile, seed};
            t.changes(box());
            CHECK(t.run() == "");
        }
    }
}
void completes_through(const std::function<void(opened&)>& change)
{
    completes_through([&] { return change; });
}

}  // namespace

TEST_CASE("Middlebox: options blanked in the SYN, in the SYN,ACK, or in both cost nothing but what they are for",
          "[stack][RFC7323-3.2g][RFC2018-2a][MUST-15]")
{
    const int where = GENERATE(1, 2, 3);  // bits: SYN, SYN,ACK
    const std::uint8_t kind =
        GENERATE(as<std::uint8_t>{}, mss_option, scale_option, sack_permitted_option, timestamps_option, 0xFF);
    CAPTURE(where, static_cast<int>(kind));
    completes_through([&](opened& o) {
        if (!o.syn() || (where & (o.syn_ack() ? 2 : 1)) == 0) {
            return;
        }
        if (kind == 0xFF) {
            o.options.clear();
        } else {
            o.blank(kind);
        }
    });
}

// By the letter the rest of such a connection would be dropped in silence (RFC 7323 3.2), and it would end by its
// retries. What is never to happen is neither: waiting for ever, or wrong octets.
TEST_CASE("Middlebox: timestamps that vanish in mid-life end in a whole transfer", "[stack][RFC7323-3.2e]")
{
    const int direction = GENERATE(0, 1, 2);
    CAPTURE(direction);
    completes_through([&] {
        return [direction, n = 0](opened& o) mutable {
            if (++n > 40 && (direction == 2 || o.from == direction)) {
                o.blank(timestamps_option);
            }
        };
    });
}

TEST_CASE("Middlebox: all options stripped from one moment on end in a whole transfer", "[stack][RFC7323-3.2e]")
{
    completes_through([&] {
        return [n = 0](opened& o) mutable {
            if (++n > 40 && !o.syn()) {
                o.options.clear();
            }
        };
    });
}

TEST_CASE("Middlebox: SACK blocks that vanish leave what RFC 6582 and timeouts can do", "[stack][RFC2018-5a]")
{
    const int direction = GENERATE(0, 1, 2);
    CAPTURE(direction);
    completes_through([&](opened& o) {
        if (direction == 2 || o.from == direction) {
            o.blank(sack_option);
        }
    });
}

TEST_CASE("Middlebox: an MSS that is rewritten counts, be it small, large, or none at all", "[stack][MUST-16]")
{
    const unsigned mss = GENERATE(0u, 1u, 536u, 1'200u, 9'000u, 65'535u);
    CAPTURE(mss);
    std::size_t longest = 0;
    completes_through([&](opened& o) {
        if (const auto content = o.find(mss_option); o.syn() && content.size() == 2) {
            content[0] = static_cast<std::byte>(mss >> 8);
            content[1] = static_cast<std::byte>(mss & 0xFF);
        }
        longest = std::max(longest, o.options.size() + o.text.size());
    });
    CHECK(longest <= 1'460);
    CHECK((mss != 536 || longest <= 536));
}

// A firewall that chooses one end's numbers anew and forgets that SACK blocks are numbers, too: every block lies. It
// names what was never sent or, with a small shift, what was sent and never arrived (as bad as reneging).
TEST_CASE("Middlebox: numbers shifted, SACK blocks not: the blocks lie, and every octet arrives",
          "[stack][RFC2018-5a]")
{
    const std::uint32_t shift = GENERATE(1'000'000'007u, 0x80000000u, 5'000u, 0xFFFFE000u, 1u);
    CAPTURE(shift);
    completes_through([&](opened& o) {
        if (o.from == 0) {
            o.tcp.seq = o.tcp.seq + shift;
        } else if (o.tcp.has(tcp_flag::ack)) {
            o.tcp.ack = {o.tcp.ack.value - shift};
        }
    });
}

TEST_CASE("Middlebox: DSCP and ECN bleached, or CE on everything", "[stack][RFC3168-6.1.1a]")
{
    const unsigned becomes = GENERATE(0u, 1u, 2u, 3u);
    CAPTURE(becomes);
    for (const path& p : paths) {
        CAPTURE(p.name);
        auto ca = sim::config_a();
        ca.tcp.ecn = ecn_use::request;
        ca.tcp.dscp = 46;
        through t{p.profile, 1, ca};
        t.changes([&](opened& o) {
            o.ip.dscp = 0;
            o.ip.ecn = static_cast<std::uint8_t>(becomes);
        });
        CHECK(t.run() == "");
    }
}

// On each path: both ends speak RFC 9768, through a box that does this. Answers what the client knows at the end.
tcp_info accurate_through(const path& p, const std::function<void(opened&)>& change, bool& bleached)
{
    auto ca = sim::config_a();
    auto cb = sim::config_b();
    ca.tcp.ecn = ecn_use::request_accurate;
    cb.tcp.ecn = ecn_use::accept_accurate;
    through t{p.profile, 1, ca, cb};
    t.changes([&](opened& o) {
        bleached = bleached || (!o.text.empty() && o.ip.ecn != 0);
        change(o);
    });
    CHECK(t.run() == "");
    return t.net.info_a();
}

TEST_CASE("Middlebox: whatever is done to accurate ECN feedback, octets arrive, and mangling is noticed",
          "[stack][RFC9768-3.2.2.3a][RFC9768-3.2.2.4a][RFC9768-3.2.3.2.3a][RFC9768-3.2.3.2.4a]")
{
    constexpr std::uint16_t flags = tcp_flag::ae | tcp_flag::cwr | tcp_flag::ece;
    const auto wipe_flags = [](opened& o) { o.tcp.flags = static_cast<std::uint16_t>(o.tcp.flags & ~flags); };
    const auto strip = [](opened& o) {
        o.blank(172);
        o.blank(174);
    };
    const auto wipe_option = [](opened& o) {
        for (const std::uint8_t kind : {std::uint8_t{172}, std::uint8_t{174}}) {
            const std::span<std::byte> content = o.find(kind);
            std::fill(content.begin(), content.end(), std::byte{});
        }
    };
    struct box {
        const char* what;
        std::function<void(opened&)> change;
        bool agreed;
        bool sends_ect;
    };
    const box boxes[] = {
        {"nothing", [](opened&) {}, true, true},
        {"options stripped", strip, true, true},
        {"options wiped", wipe_option, true, true},
        {"ECN field bleached", [](opened& o) { o.ip.ecn = 0; }, true, true},
        {"ECT(0) on everything", [](opened& o) { o.ip.ecn = 2; }, true, false},
        {"CE on everything", [](opened& o) { o.ip.ecn = 3; }, true, false},
        {"CE on all text", [](opened& o) { o.ip.ecn = o.text.empty() ? o.ip.ecn : std::uint8_t{3}; }, true, true},
        {"flags wiped", wipe_flags, false, false},
        {"flags wiped after the handshake",
         [&](opened& o) {
             if (!o.syn()) {
                 wipe_flags(o);
             }
         },
         true, true},
        {"AE wiped on SYNs", [](opened& o) { o.tcp.flags = static_cast<std::uint16_t>(
                                                 o.tcp.flags & ~(o.syn() ? tcp_flag::ae : 0)); }, false, true},
    };
    for (const path& p : paths) {
        for (const box& b : boxes) {
            CAPTURE(p.name, b.what);
            bool ect = false;
            const tcp_info i = accurate_through(p, b.change, ect);
            CHECK(i.accurate_ecn == b.agreed);
            CHECK(ect == b.sends_ect);
        }
    }
}

TEST_CASE("Middlebox: packets with an option that is not known are dropped: nothing is lost but time",
          "[stack][RFC9768-3.2.3.2.2a][RFC9768-3.2.3.2.2b][RFC9768-3.2.3.2.2c]")
{
    const int direction = GENERATE(0, 1, 2);  // from the client, from the server, from both
    auto ca = sim::config_a();
    auto cb = sim::config_b();
    ca.tcp.ecn = ecn_use::request_accurate;
    cb.tcp.ecn = ecn_use::accept_accurate;
    through t{paths[0].profile, 1, ca, cb};
    t.net.link.drops = [direction](std::size_t, int from, const octets& frame) {
        auto o = take_apart(from, frame);
        return o && (direction == 2 || direction == from) && (!o->find(172).empty() || !o->find(174).empty());
    };
    CHECK(t.run() == "");
    CHECK(t.net.info_a().accurate_ecn);
    CHECK(t.net.info_a().timeouts + t.net.info_b().timeouts <= 6);
}

TEST_CASE("Middlebox: segments split in two arrive whole", "[stack][SHLD-31]")
{
    for (const path& p : paths) {
        CAPTURE(p.name);
        through t{p.profile};
        bool inside = false;
        t.net.link.rewrites = [&](int from, octets& frame) {
            auto o = take_apart(from, frame);
            if (inside || !o || o->text.size() < 2 || o->syn()) {
                return;
            }
            const std::size_t half = o->text.size() / 3 + 1;
            opened head = *o;
            head.text.resize(half);
            head.tcp.flags = static_cast<std::uint16_t>(head.tcp.flags & ~(tcp_flag::fin | tcp_flag::psh));
            o->text.erase(o->text.begin(), o->text.begin() + static_cast<std::ptrdiff_t>(half));
            o->tcp.seq = o->tcp.seq + static_cast<std::uint32_t>(half);
            inside = true;
            t.net.link.send(t.net.now, from, put_together(frame, head));
            inside = false;
            frame = put_together(frame, *o);
        };
        CHECK(t.run() == "");
    }
}

// A box that holds each segment until the next one comes, and joins them when they belong together; when not, what it
// held leaves first. What nothing follows stays in the box, as if it were lost.
TEST_CASE("Middlebox: segments joined by two and three arrive whole", "[stack][SHLD-31]")
{
    for (const path& p : paths) {
        CAPTURE(p.name);
        through t{p.profile};
        std::optional<opened> held[2];
        bool inside = false;
        bool hold = false;
        std::size_t joined = 0;
        t.net.link.rewrites = [&](int from, octets& frame) {
            auto o = take_apart(from, frame);
            if (inside || !o || o->syn() || o->text.empty()) {
                return;
            }
            auto before = std::exchange(held[from], std::nullopt);
            if (before && before->tcp.seq + static_cast<std::uint32_t>(before->text.size()) == o->tcp.seq) {
                o->text.insert(o->text.begin(), before->text.begin(), before->text.end());
                o->tcp.seq = before->tcp.seq;
                ++joined;
            } else if (before) {
                inside = true;
                t.net.link.send(t.net.now, from, put_together(frame, *before));
                inside = false;
            }
            hold = o->text.size() < 3'000;
            if (hold) {
                held[from] = o;
            }
            frame = put_together(frame, *o);
        };
        t.net.link.drops = [&](std::size_t, int, const octets&) { return !inside && std::exchange(hold, false); };
        CHECK(t.run() == "");
        CHECK(joined > 20);
    }
}

TEST_CASE("Middlebox: a SYN,ACK that is repeated, at once or into the transfer, does no harm", "[stack][RFC5961-4.2a]")
{
    const std::int64_t late = GENERATE(1'000, 50'000'000, 300'000'000, 2'000'000'000);
    CAPTURE(late);
    for (const path& p : paths) {
        CAPTURE(p.name);
        through t{p.profile};
        t.net.link.disturbs = [&](std::size_t, int from, const octets& frame) {
            const auto o = take_apart(from, frame);
            return o && o->syn() ? mishap{.copy = duration{late}} : mishap{};
        };
        CHECK(t.run() == "");
    }
}

// Fast Open's own fallback: RFC 7413 7.2 tells of boxes that drop such SYNs, or pass them without their text.
TEST_CASE("Middlebox: a SYN with Fast Open's option or with text is dropped, or loses one of them",
          "[stack][RFC7413-4.1.3b]")
{
    enum : int { drops_option, drops_text, takes_option, takes_text, takes_both };
    const int does = GENERATE(0, 1, 2, 3, 4);
    CAPTURE(does);
    sim net{sim::config_a(), sim::config_b(), paths[0].profile};
    net.skip_arp();
    net.frame_limit = 20'000;
    net.a.advance(net.now);
    net.b.advance(net.now);
    net.listener = net.b.listen({net.b.address(), 7}).value;
    REQUIRE(net.b.set_options(net.listener, {.fast_open = 8}) == errc::ok);
    bool box = false;
    net.link.rewrites = [&](int from, octets& frame) {
        auto o = take_apart(from, frame);
        if (!box || !o || !o->syn()) {
            return;
        }
        if (does == takes_option || does == takes_both) {
            o->blank(34);
        }
        if (does == takes_text || does == takes_both) {
            o->text.clear();
        }
        frame = put_together(frame, *o);
    };
    net.link.drops = [&](std::size_t, int from, const octets& frame) {
        auto o = take_apart(from, frame);
        return box && o && o->syn() &&
               ((does == drops_option && !o->find(34).empty()) || (does == drops_text && !o->text.empty()));
    };
    for (int i = 0; i < 3; ++i) {  // the first gets the cookie
        CAPTURE(i);
        net.at_a = {.to_send = pattern(20'000)};
        net.at_b = {.to_send = pattern(20'000, 3)};
        net.id_b = {};
        net.id_a = net.a.connect({net.b.address(), 7}, {.fast_open = true}).value;
        CHECK(net.complete(ten_minutes) == "");
        net.a.close(net.id_a);
        net.b.close(net.id_b);
        box = true;
    }
    CHECK(net.a.counters().fast_open_sent >= 1);
}

// Nobody can mend this one; the connection has to say so.
TEST_CASE("Middlebox: a box that swallows all text after the handshake ends the connection with timed out",
          "[stack][MUST-20]")
{
    const int direction = GENERATE(0, 2);
    CAPTURE(direction);
    through t{paths[0].profile};
    t.net.link.drops = [&](std::size_t, int from, const octets& frame) {
        const auto o = take_apart(from, frame);
        return o && !o->text.empty() && (direction == 2 || from == direction);
    };
    t.net.open();
    CHECK(t.net.complete(6 * ten_minutes) != "");
    CHECK(t.net.violation() == "");
    CHECK(t.net.info_a().state == tcp_state::closed);
    CHECK(t.net.info_a().error == errc::timed_out);
    CHECK(t.net.link.count() < 2'000);
}
