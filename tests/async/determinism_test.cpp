// The same seed gives the same packets, octet by octet.
#include "tcpco/reactor/virtual_reactor.hpp"

#include "socket_world.hpp"

#include "tcpco/device/decorated.hpp"

using namespace socket_test;

namespace {

// A decorator that keeps every frame that its stack sends.
class recorder {
public:
    struct entry {
        time_point at;
        octets data;
        friend bool operator==(const entry&, const entry&) = default;
    };
    std::vector<entry> frames;

    template <class Next>
    void ingress(time_point, frame&& f, Next&& next)
    {
        next(std::move(f));
    }
    template <class Next>
    sink_verdict egress(time_point now, const outgoing_frame& out, const buffer& keep, Next&& next)
    {
        octets data(out.size());
        out.copy_to(data.data());
        frames.push_back({now, std::move(data)});
        return next(out, keep);
    }
    time_point deadline() const noexcept { return time_point::never(); }
    template <class Up, class Down>
    void advance(time_point, buffer_pool&, Up&&, Down&&)
    {
    }
};

struct recorded_world {
    using device_type = decorated<memory_link::end, recorder>;

    explicit recorded_world(std::uint64_t seed)
        : reactor{{.seed = seed}},
          client(small_config<default_policies>("198.18.0.1/24"_net, 1, reactor.derive_seed(1))),
          server(small_config<default_policies>("198.18.0.2/24"_net, 2, reactor.derive_seed(2)))
    {
    }

    virtual_reactor reactor;
    memory_link link{{.delay = duration{1'000'000}}};
    recorder from_client;
    recorder from_server;
    device_type left{link.left(), from_client};
    device_type right{link.right(), from_server};
    basic_stack<> client;
    basic_stack<> server;
    driver<basic_stack<>, device_type, virtual_reactor> client_driver{client, left, reactor};
    driver<basic_stack<>, device_type, virtual_reactor> server_driver{server, right, reactor};
};

task<> asks(recorded_world& w, std::uint64_t number)
{
    auto [ec, socket] = co_await connect(w.client, server_address);
    REQUIRE(!ec);
    const octets data = pattern(20'000, number);
    octets back(data.size());
    auto [written, read] = co_await when_all(socket.write(data), socket.read_exactly(back));
    CHECK(!written.ec);
    CHECK(!read.ec);
    CHECK((back == data));
}

task<> clients(scope& all, recorded_world& w)
{
    for (std::uint64_t i = 0; i < 20; ++i) {
        all.spawn(asks, std::ref(w), i);
    }
    co_return;
}

task<> servers(scope& all, tcp_listener& listener)
{
    for (int i = 0; i < 20; ++i) {
        auto [ec, socket] = co_await listener.accept();
        REQUIRE(!ec);
        all.spawn(echo, std::move(socket));
    }
}

task<> everything(recorded_world& w)
{
    tcp_listener listener{w.server, server_address};
    co_await when_all(with_scope(servers, std::ref(listener)), with_scope(clients, std::ref(w)));
}

std::vector<recorder::entry> frames_of(std::uint64_t seed)
{
    recorded_world w{seed};
    w.reactor.run(everything(w));
    std::vector<recorder::entry> all = std::move(w.from_client.frames);
    all.insert(all.end(), w.from_server.frames.begin(), w.from_server.frames.end());
    return all;
}

// FNV-1a, of octets and times.
std::uint64_t hash_of(const std::vector<recorder::entry>& frames)
{
    std::uint64_t h = 0xCBF29CE484222325;
    const auto add = [&h](std::uint64_t v) { h = (h ^ v) * 0x100000001B3; };
    for (const recorder::entry& f : frames) {
        add(static_cast<std::uint64_t>(f.at.ns));
        for (const std::byte b : f.data) {
            add(std::to_integer<std::uint64_t>(b));
        }
    }
    return h;
}

}  // namespace

TEST_CASE("The same seed gives the same frames, octet by octet and nanosecond by nanosecond", "[async]")
{
    const auto first = frames_of(7);
    const auto second = frames_of(7);
    CHECK(first.size() > 400);
    CHECK(hash_of(first) == hash_of(second));
    CHECK((first == second));
}

TEST_CASE("Another seed gives other frames", "[async]")
{
    CHECK(hash_of(frames_of(7)) != hash_of(frames_of(8)));
}
