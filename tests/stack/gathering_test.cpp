// Segments that continue one another, handed over at once, are taken as one; what is read, acknowledged, counted and
// dropped is what it is for one at a time.
#include "tcpco/stack/gathering.hpp"

#include <algorithm>
#include <vector>

#include "catch.hpp"
#include "support/raw_host.hpp"

using namespace tcpco_test;

namespace {

octets numbered(std::size_t size, std::size_t from)
{
    octets text(size);
    for (std::size_t i = 0; i < size; ++i) {
        text[i] = static_cast<std::byte>((from + i) * 7 + (from + i) / 251);
    }
    return text;
}

octets in_ethernet(const octets& packet)
{
    return ethernet_frame_of(ethertype::ipv4, packet);
}

// A stack with a connection from 192.0.2.9, and the slots that a driver has.
template <class Bundle = default_policies>
struct receiving_host {
    using configuration = stack_config<Bundle>;

    explicit receiving_host(bool timestamps = false, std::uint32_t slots = 256,
                            const configuration& config = raw_host<Bundle>::default_config(), bool scaling = false)
        : pool{2'048, slots}, host{config}
    {
        host.know();
        const listener_id listener = host.stack.listen({stack_ip, 80}).value;
        for (auto* p : {&peer, &other}) {
            p->options.has_timestamps = timestamps;
            p->options.tsval = 100;
            p->options.has_window_scale = scaling;
            p->send(tcp_flag::syn);
            p->options.has_window_scale = false;
            p->take();
            p->send(tcp_flag::ack);
            host.drain();
        }
        id = host.stack.accept(listener).value;
        other_id = host.stack.accept(listener).value;
        speaks_from = peer.ack;
        receive({in_ethernet(next(tcp_flag::ack, 100))});  // now frames are like the one before
        host.wait(1_s);
        read();
    }

    // The next octets of the stream, as a packet.
    octets next(std::uint16_t flags, std::size_t size)
    {
        const octets packet = peer.packet(flags, numbered(size, written));
        written += size;
        peer.seq = peer.seq + static_cast<std::uint32_t>(size);
        return packet;
    }
    std::vector<octets> bulk(std::size_t segments, std::size_t size)
    {
        std::vector<octets> frames;
        for (std::size_t i = 0; i < segments; ++i) {
            frames.push_back(in_ethernet(next(tcp_flag::ack, size)));
        }
        return frames;
    }

    void receive(const std::vector<octets>& packets, std::size_t at_once = ~std::size_t{0}, frame_info info = {})
    {
        std::vector<frame> frames;
        for (std::size_t i = 0; i < packets.size(); ++i) {
            frames.push_back(copy_frame(pool, packets[i], info));
            REQUIRE(frames.back().data.owner);
            if (frames.size() == at_once || i + 1 == packets.size()) {
                host.stack.receive(host.now, frames);
                host.stack.check_invariants();
                frames.clear();
            }
        }
    }

    // What was sent after this comes once more.
    void go_back(std::uint32_t size)
    {
        size = static_cast<std::uint32_t>(std::min<std::size_t>(size, written));
        peer.seq = peer.seq - size;
        written -= size;
    }

    octets read() { return read(id); }
    octets read(connection_id of)
    {
        octets all;
        octets some(4'096);
        for (std::size_t n = host.stack.read(of, some).value; n > 0; n = host.stack.read(of, some).value) {
            all.insert(all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(n));
        }
        return all;
    }
    const stack_counters& counters() const { return host.stack.counters(); }
    tcp_info info() { return host.stack.info(id).value; }

    buffer_pool pool;
    raw_host<Bundle> host;
    raw_tcp<raw_host<Bundle>> peer{host};
    raw_tcp<raw_host<Bundle>> other{host, {other_ip, 5'001}};
    connection_id id{};
    connection_id other_id{};
    std::size_t written = 0;
    sequence_number speaks_from{};  // the stack's first octet
    std::uint32_t in_flight = 0;    // of the stack's octets, not acknowledged yet
};

// What comes next.
enum class kind {
    // Not the next octets of the stream, or they get lost, damaged or marked: then the same come once more.
    behind_a_hole, repeated, damaged, old_ack, marked, of_another, reset, old_timestamp, no_text, syn, beyond_the_window,
    // The next octets.
    plain, other_window, later, pushed, short_one, long_one, urgent, no_window, acknowledges, overlaps,
};

struct arrival {
    kind what{};
    std::uint32_t some = 0;  // below size
    std::uint32_t size = 0;

    // More than half are as they ever come.
    static arrival any(random_source& random, std::uint32_t size)
    {
        const std::uint32_t drawn = random.below(48);
        return {drawn > static_cast<std::uint32_t>(kind::overlaps) ? kind::plain : static_cast<kind>(drawn),
                random.below(size), size};
    }
    bool is_next() const { return what >= kind::plain; }
};

octets usual(receiving_host<>& r, const arrival& a)
{
    if (a.what == kind::other_window || a.what == kind::no_window) {
        r.peer.window = static_cast<std::uint16_t>(a.what == kind::no_window ? 0 : 65'535 - a.some);
    }
    r.peer.options.tsval += a.what == kind::later ? 1 : 0;
    if (a.what == kind::acknowledges) {
        const std::uint32_t all = std::min(a.some + 1, r.in_flight);
        r.in_flight -= all;
        r.peer.ack = r.peer.ack + all;
    }
    if (a.what == kind::overlaps) {
        r.go_back(a.some);
    }
    const bool pushed = a.what == kind::pushed || a.what == kind::short_one || a.what == kind::later;
    const auto flags = static_cast<std::uint16_t>(tcp_flag::ack | (pushed ? tcp_flag::psh : 0) |
                                                  (a.what == kind::urgent ? tcp_flag::urg : 0));
    return r.next(flags, a.what == kind::short_one ? a.some + 1 : a.what == kind::long_one ? a.size + a.some : a.size);
}

octets packet_of(receiving_host<>& r, const arrival& a)
{
    if (a.is_next()) {
        return usual(r, a);
    }
    const raw_tcp<raw_host<>> peer = r.peer;
    const std::size_t written = r.written;
    octets packet;
    switch (a.what) {
    case kind::behind_a_hole: r.next(tcp_flag::ack, a.size); break;  // is lost on its way
    case kind::repeated: r.go_back(a.some); break;
    case kind::old_ack: r.peer.ack = r.peer.ack - 1; break;
    case kind::marked: r.peer.ecn = ecn_codepoint::ce; break;
    case kind::old_timestamp: r.peer.options.tsval -= 1'000; break;
    case kind::of_another:
        packet = r.other.packet(tcp_flag::ack | tcp_flag::psh, numbered(a.some + 1, 0));
        r.other.seq = r.other.seq + (a.some + 1);
        return packet;
    case kind::reset: return r.peer.packet(tcp_flag::rst, r.peer.seq - 100'000'000, r.peer.ack);
    case kind::no_text: return r.peer.packet(tcp_flag::ack);
    case kind::syn: return r.peer.packet(tcp_flag::syn | tcp_flag::ack, numbered(a.size, r.written));
    case kind::beyond_the_window: r.peer.seq = r.peer.seq + 200'000; break;
    default: break;
    }
    packet = r.next(tcp_flag::ack, a.size);
    if (a.what == kind::damaged) {
        packet[20 + a.some % 30 % packet.size()] ^= std::byte{4};
    }
    r.peer.seq = peer.seq;
    r.peer.ack = peer.ack;
    r.peer.ecn = peer.ecn;
    r.peer.options = peer.options;
    r.written = written;
    return packet;
}

// What the last segment to `port` said.
std::pair<std::uint32_t, std::uint16_t> last_ack_and_window(const std::vector<sent_packet>& packets, std::uint16_t port)
{
    std::pair<std::uint32_t, std::uint16_t> last{};
    for (const sent_packet& p : packets) {
        const tcp_header tcp = p.tcp()->header;
        last = tcp.destination_port == port ? std::pair{tcp.ack.value, tcp.window} : last;
    }
    return last;
}

// What a user sees of both is the same, but for how many ACKs that was to the sender.
void compare(const tcp_info& alone, const tcp_info& together)
{
    CHECK(alone.state == together.state);
    CHECK(alone.receive_queued == together.receive_queued);
    CHECK(alone.out_of_order == together.out_of_order);
    CHECK(alone.urgent_ahead == together.urgent_ahead);
    CHECK(alone.rcv_wnd == together.rcv_wnd);
    CHECK(alone.snd_wnd == together.snd_wnd);
    CHECK(alone.unacked == together.unacked);
    CHECK(alone.octets_received == together.octets_received);
    CHECK(alone.segments_received == together.segments_received);
    CHECK(alone.data_segments_received == together.data_segments_received);
    CHECK(alone.largest_received == together.largest_received);
}

// The peer has heard all that the stack said: it acknowledges that, and goes on with what the stack has not.
void go_on(receiving_host<>& r)
{
    r.peer.window = 65'535;
    const std::uint64_t taken = r.info().octets_received;
    r.peer.seq = r.peer.seq + static_cast<std::uint32_t>(taken - r.written);
    r.written = static_cast<std::size_t>(taken);
    tcp_info info = r.info();
    do {
        r.peer.ack = r.speaks_from + static_cast<std::uint32_t>(info.octets_acknowledged) +
                     static_cast<std::uint32_t>(info.unacked);
        r.receive({in_ethernet(r.peer.packet(tcp_flag::ack))});
        r.host.wait(1_s);
        info = r.info();
        REQUIRE(r.peer.ack == r.speaks_from + static_cast<std::uint32_t>(info.octets_acknowledged));
    } while (info.unacked > 0);
}

}  // namespace

TEST_CASE("segments that continue one another are read in order, counted each, and acknowledged once", "[stack]")
{
    receiving_host<> r{GENERATE(false, true)};
    const std::uint64_t segments = r.counters().segments_received;
    const std::uint64_t frames = r.counters().frames_received;
    const tcp_info before = r.info();
    const std::size_t at = r.written;
    auto packets = r.bulk(9, 1'000);
    packets.push_back(in_ethernet(r.next(tcp_flag::ack | tcp_flag::psh, 300)));
    r.receive(packets);
    CHECK(r.counters().frames_gathered == 9);
    CHECK(r.counters().frames_received == frames + 10);
    CHECK(r.counters().segments_received == segments + 10);
    CHECK(r.info().segments_received == before.segments_received + 10);
    CHECK(r.info().data_segments_received == before.data_segments_received + 10);
    CHECK(r.host.dropped() == 0);
    const auto out = r.host.drain();
    REQUIRE(out.size() == 1);
    CHECK(out[0].tcp()->header.ack == r.peer.seq);
    CHECK(r.read() == numbered(9'300, at));
}

namespace {

struct hearing_observer {
    struct config {};
    hearing_observer() = default;
    explicit hearing_observer(const config&) {}
    void on(const event::segment_received& e) { heard.push_back(e); }

    std::vector<event::segment_received> heard;
};

struct heard_policies : default_policies {
    using observer = hearing_observer;
};

}  // namespace

TEST_CASE("an observer hears of a run as of one segment, with the text, the number and the flags of all", "[stack]")
{
    receiving_host<heard_policies> r;
    auto packets = r.bulk(3, 500);
    packets.push_back(in_ethernet(r.next(tcp_flag::ack | tcp_flag::psh, 200)));
    packets.push_back(in_ethernet(r.next(tcp_flag::ack, 100)));
    const auto& heard = r.host.stack.observer().heard;
    const std::size_t before = heard.size();
    r.receive(packets);
    REQUIRE(heard.size() == before + 2);
    const event::segment_received& run = heard[before];
    CHECK(run.octets == 1'700);
    CHECK(run.wire_segments == 4);
    CHECK(run.flags == (tcp_flag::ack | tcp_flag::psh));
    CHECK(run.at == r.host.now);
    CHECK(run.connection == heard.back().connection);
    CHECK(heard.back().octets == 100);
    CHECK(heard.back().wire_segments == 1);
    CHECK(heard.back().flags == tcp_flag::ack);
}

TEST_CASE("what was gathered is as one super-frame would be: 64 KiB at most", "[stack]")
{
    receiving_host<> r{false, 256, raw_host<>::default_config(), true};
    REQUIRE(r.host.stack.set_receive_buffer(r.id, 400'000) == errc::ok);
    r.host.wait(1_s);
    const std::size_t at = r.written;
    r.receive(r.bulk(70, 1'400));
    CHECK(r.info().receive_queued == 98'000);
    CHECK(r.counters().frames_gathered == 45 + 23);  // 46 segments, and 24
    CHECK(r.info().largest_received == 1'400);
    CHECK(r.read() == numbered(98'000, at));
    CHECK(r.host.dropped() == 0);
}

namespace {

// For as long as these are held, the pool has `left` slots.
std::vector<buffer> all_but(buffer_pool& pool, std::uint32_t left)
{
    std::vector<buffer> held;
    while (pool.available() > left) {
        held.push_back(pool.acquire());
    }
    return held;
}

}  // namespace

TEST_CASE("where slots run out within a run, a part of it is taken, acknowledged, and the rest counted", "[stack]")
{
    auto config = raw_host<>::default_config();
    config.limits.small_slots = 12;
    config.limits.large_slots = 1;
    receiving_host<> r{false, 256, config};
    const std::vector<buffer> others = all_but(r.pool, 62);
    const std::size_t at = r.written;
    const sequence_number first = r.peer.seq;
    r.receive(r.bulk(60, 1'000));
    CHECK(r.counters().frames_gathered == 59);
    const auto taken = static_cast<std::size_t>(r.info().receive_queued);
    CHECK((taken > 1'000 && taken < 60'000));
    CHECK(r.host.dropped(drop_reason::no_buffer) == 60 - taken / 1'000);
    CHECK(r.pool.available() == 62);
    const auto out = r.host.drain();
    REQUIRE(out.size() == 1);
    CHECK(out[0].tcp()->header.ack == first + static_cast<std::uint32_t>(taken));
    CHECK(r.read() == numbered(taken, at));
}

TEST_CASE("the same for a super-frame that a device has put together", "[stack]")
{
    auto config = raw_host<>::default_config();
    config.limits.small_slots = 12;
    config.limits.large_slots = 1;
    receiving_host<> r{false, 256, config};
    buffer_pool jumbos{65'536, 8};
    const std::vector<buffer> others = all_but(jumbos, 1);
    const bool predicted = GENERATE(true, false);
    const std::size_t at = r.written;
    const sequence_number first = r.peer.seq;
    r.peer.ecn = predicted ? ecn_codepoint::not_ect : ecn_codepoint::ce;  // marked ones go the long way
    const octets packet = in_ethernet(r.next(tcp_flag::ack, 60'000));
    frame f = copy_frame(jumbos, packet, {.gso_type = gso_kind::tcp_v4, .gso_size = 1'000, .wire_segments = 60});
    r.host.stack.receive(r.host.now, std::move(f));
    const auto taken = static_cast<std::size_t>(r.info().receive_queued);
    CHECK((taken > 1'000 && taken < 60'000));
    CHECK(r.host.dropped(drop_reason::no_buffer) == 1);
    const auto out = r.host.drain();
    REQUIRE(out.size() == 1);
    CHECK(out[0].tcp()->header.ack == first + static_cast<std::uint32_t>(taken));
    CHECK(r.read() == numbered(taken, at));
}

TEST_CASE("behind what found no place nothing is taken, though it has one", "[stack]")
{
    auto config = raw_host<>::default_config();
    config.limits.small_slots = 1;
    config.limits.large_slots = 1;
    receiving_host<> r{false, 256, config};
    buffer_pool short_of_slots{2'048, 8};
    const std::vector<buffer> others = all_but(short_of_slots, 1);
    while (r.host.stack.write(r.other_id, octets(2'000)).value > 0) {
        // until nothing is left to copy to
    }
    std::vector<frame> frames;
    for (const octets& p : r.bulk(3, 1'000)) {
        frames.push_back(copy_frame(frames.empty() ? short_of_slots : r.pool, p));
    }
    r.host.stack.receive(r.host.now, frames);
    r.host.stack.check_invariants();
    CHECK(r.counters().frames_gathered == 2);
    CHECK(r.info().receive_queued == 0);
    CHECK(r.host.dropped(drop_reason::no_buffer) == 3);
}

TEST_CASE("another connection's segment is not added, whatever its numbers say", "[stack]")
{
    receiving_host<> r;
    const std::size_t at = r.written;
    auto packets = r.bulk(3, 500);
    packets.push_back(in_ethernet(r.other.packet(tcp_flag::ack, r.peer.seq, r.peer.ack, numbered(500, r.written))));
    r.receive(packets);
    CHECK(r.counters().frames_gathered == 2);
    CHECK(r.read() == numbered(1'500, at));
}

TEST_CASE("segments with other timestamps are not added", "[stack]")
{
    receiving_host<> r{true};
    const bool echo = GENERATE(false, true);
    const std::size_t at = r.written;
    auto packets = r.bulk(3, 500);
    r.peer.options.tsval += echo ? 0 : 1;
    r.peer.options.tsecr += echo ? 1 : 0;
    packets.push_back(in_ethernet(r.next(tcp_flag::ack, 500)));
    r.receive(packets);
    CHECK(r.counters().frames_gathered == 2);
    CHECK(r.read() == numbered(2'000, at));
}

TEST_CASE("a segment that does not continue the one before it is not added to it", "[stack]")
{
    enum class kind { psh, shorter, gap, repeated, other_ack, other_window, damaged, larger, fin, urg, marked, options, merged };
    const kind k = GENERATE(kind::psh, kind::shorter, kind::gap, kind::repeated, kind::other_ack, kind::other_window,
                            kind::damaged, kind::larger, kind::fin, kind::urg, kind::marked, kind::options, kind::merged);
    receiving_host<> r;
    auto packets = r.bulk(3, 500);
    std::vector<frame_info> infos(7);
    if (k == kind::psh) {
        packets.push_back(in_ethernet(r.next(tcp_flag::ack | tcp_flag::psh, 500)));
    } else if (k == kind::shorter) {
        packets.push_back(in_ethernet(r.next(tcp_flag::ack, 499)));
    } else {
        r.peer.seq = r.peer.seq + (k == kind::gap ? 1U : k == kind::repeated ? ~0U : 0U);
        r.peer.ack = r.peer.ack + (k == kind::other_ack ? ~0U : 0U);
        r.peer.window = k == kind::other_window ? 65'000 : 65'535;
        r.peer.ecn = k == kind::marked ? ecn_codepoint::ce : ecn_codepoint::not_ect;
        r.peer.options.has_timestamps = k == kind::options;
        packets.push_back(in_ethernet(r.next(static_cast<std::uint16_t>(tcp_flag::ack | (k == kind::fin ? tcp_flag::fin : 0) |
                                                                        (k == kind::urg ? tcp_flag::urg : 0)),
                                             k == kind::larger ? 501 : 500)));
        if (k == kind::damaged) {
            packets.back().back() ^= std::byte{1};
        }
        r.peer.ecn = 0;
    }
    std::vector<frame> frames;
    for (std::size_t i = 0; i < packets.size(); ++i) {
        frames.push_back(copy_frame(r.pool, packets[i]));
    }
    if (k == kind::merged) {
        frames.back().info.wire_segments = 2;
        frames.back().info.gso_size = 250;
    }
    r.host.stack.receive(r.host.now, frames);
    // Where it ends the run it is still of it.
    CHECK(r.counters().frames_gathered == (k == kind::psh || k == kind::shorter ? 3U : 2U));
    const std::uint64_t gathered = r.counters().frames_gathered;
    if (k == kind::psh || k == kind::shorter) {
        r.receive(r.bulk(2, 500));
        CHECK(r.counters().frames_gathered == gathered + 1);
    }
    CHECK(r.host.dropped(drop_reason::tcp_checksum) == (k == kind::damaged ? 1 : 0));
}

TEST_CASE("segments behind one with PSH, or a shorter one, begin anew", "[stack]")
{
    receiving_host<> r;
    r.receive({in_ethernet(r.next(tcp_flag::ack | tcp_flag::psh, 500)), in_ethernet(r.next(tcp_flag::ack, 500))});
    CHECK(r.counters().frames_gathered == 0);
    r.read();
    const std::size_t at = r.written;
    auto packets = r.bulk(2, 500);
    packets.push_back(in_ethernet(r.next(tcp_flag::ack | tcp_flag::psh, 500)));
    packets.push_back(in_ethernet(r.next(tcp_flag::ack, 500)));
    packets.push_back(in_ethernet(r.next(tcp_flag::ack, 200)));
    packets.push_back(in_ethernet(r.next(tcp_flag::ack, 200)));
    r.receive(packets);
    CHECK(r.counters().frames_gathered == 3);  // 500 500 500psh, 500 200, 200
    CHECK(r.read() == numbered(2'400, at));
}

TEST_CASE("no more is gathered than was offered", "[stack]")
{
    receiving_host<> r;
    const octet_count room = r.host.sent.back().tcp()->header.window;
    REQUIRE(room > 20'000);
    const std::size_t at = r.written;
    const auto fit = static_cast<std::size_t>(room / 1'400);
    auto packets = r.bulk(fit, 1'400);
    const auto beyond = r.bulk(3, 1'400);
    packets.insert(packets.end(), beyond.begin(), beyond.end());
    r.receive(packets);
    CHECK(r.info().receive_queued == room);
    CHECK(r.read() == numbered(static_cast<std::size_t>(room), at));
}

TEST_CASE("a slot is free again once its text was read", "[stack]")
{
    receiving_host<> r{false, 48};
    for (int round = 0; round < 20; ++round) {
        r.receive(r.bulk(30, 1'000));
        CHECK(r.pool.available() < 48);
        r.read();
        r.host.wait(1_s);
        CHECK(r.pool.available() == 48);
    }
    CHECK(r.counters().frames_gathered == 20 * 29);
    CHECK(r.host.dropped() == 0);
}

TEST_CASE("what is handed over at once ends as it does one at a time", "[stack]")
{
    const bool timestamps = GENERATE(false, true);
    random_source random{static_cast<std::uint64_t>(GENERATE(range(1, 9)))};
    receiving_host<> alone{timestamps};
    receiving_host<> together{timestamps};
    std::size_t full = 0;
    for (receiving_host<>* r : {&alone, &together}) {
        REQUIRE(r->host.stack.set_receive_buffer(r->id, 5'000) == errc::ok);
        r->host.wait(1_s);
    }
    for (int round = 0; round < 150; ++round) {
        const std::uint32_t says = random.below(3) == 0 ? random.below(3'000) : 0;
        for (receiving_host<>* r : {&alone, &together}) {
            REQUIRE(r->host.stack.write(r->id, numbered(says, 0)).value == says);
            r->host.drain();
            r->in_flight = static_cast<std::uint32_t>(r->info().unacked);
        }
        const std::uint32_t size = 1 + random.below(700);
        std::vector<octets> packets;
        for (std::uint32_t count = 1 + random.below(14); count > 0; --count) {
            const arrival a = arrival::any(random, size);
            packets.push_back(in_ethernet(packet_of(alone, a)));
            REQUIRE(in_ethernet(packet_of(together, a)) == packets.back());
        }
        alone.receive(packets, 1);
        together.receive(packets);
        compare(alone.info(), together.info());
        full += alone.info().rcv_wnd < octet_count{size} ? 1U : 0U;
        if (random.below(3) != 0) {
            CHECK(alone.read() == together.read());
        }
        CHECK(alone.read(alone.other_id) == together.read(together.other_id));
        const auto a = alone.host.wait(1_s);
        const auto b = together.host.wait(1_s);
        for (const std::uint16_t port : {alone.peer.self.port, alone.other.self.port}) {
            CHECK(last_ack_and_window(a, port) == last_ack_and_window(b, port));
        }
        CHECK(alone.counters().dropped == together.counters().dropped);
        CHECK(alone.counters().segments_received == together.counters().segments_received);
        CHECK(alone.counters().frames_received == together.counters().frames_received);
        go_on(alone);
        go_on(together);
    }
    CHECK(alone.counters().frames_gathered == 0);
    CHECK(together.counters().frames_gathered > 100);
    CHECK(full > 5);
}
