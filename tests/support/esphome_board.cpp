// A board of stand-ins: the lambdas of config/esphome/satellite.yaml, with as much of ESPHome as they call
// (tests/scripts/test_esphome.py puts them in and compiles this).
#include <openssl/hmac.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

static int64_t now_us = 0;
static std::string random_bytes = "session1";
static int64_t esp_timer_get_time() { return now_us; }
static void esp_fill_random(void *bytes, size_t length) { std::memcpy(bytes, random_bytes.data(), length); }
#define ESP_LOGE(tag, text) std::printf("error %s\n", text)
#define id(name) name

#include "satellite.h"

namespace hmac_sha256 {
class HmacSHA256 {
 public:
  void init(const uint8_t *key, size_t length) { this->key_.assign(key, key + length); }
  void add(const uint8_t *data, size_t length) { this->data_.insert(this->data_.end(), data, data + length); }
  void calculate() {
    unsigned int length = 32;
    HMAC(EVP_sha256(), this->key_.data(), this->key_.size(), this->data_.data(), this->data_.size(), this->digest_,
         &length);
  }
  void get_bytes(uint8_t *output) { std::memcpy(output, this->digest_, 32); }

 protected:
  std::vector<uint8_t> key_, data_;
  uint8_t digest_[32];
};
}  // namespace hmac_sha256

namespace esp32_ble_tracker {
enum class ScannerState { IDLE, STARTING, RUNNING, FAILED, STOPPING };
struct ESPBTUUID {
  uint16_t value;
  static ESPBTUUID from_uint16(uint16_t uuid) { return {uuid}; }
  bool operator==(const ESPBTUUID &other) const { return this->value == other.value; }
};
struct ServiceData {
  ESPBTUUID uuid;
  std::vector<uint8_t> data;
};
struct ESPBTDevice {
  int rssi;
  std::vector<ServiceData> services;
  int get_rssi() const { return this->rssi; }
  const std::vector<ServiceData> &get_service_datas() const { return this->services; }
};
struct Tracker {
  ScannerState state = ScannerState::IDLE;
  ScannerState get_scanner_state() const { return this->state; }
};
}  // namespace esp32_ble_tracker

static std::string hex(const std::string &bytes) {
  std::string text;
  char two[3];
  for (unsigned char byte : bytes) {
    std::snprintf(two, sizeof(two), "%02x", byte);
    text += two;
  }
  return text;
}

static std::string bytes(const std::string &text) {
  std::string found;
  for (size_t at = 0; at + 1 < text.size(); at += 2)
    found.push_back(static_cast<char>(std::strtol(text.substr(at, 2).c_str(), nullptr, 16)));
  return found;
}

struct Broker {
  bool connected = true;
  bool is_connected() const { return this->connected; }
  bool publish(const char *topic, const char *payload, size_t length, uint8_t qos, bool retain) {
    std::printf("%s %d %d %s\n", topic, qos, retain, hex(std::string(payload, length)).c_str());
    return true;
  }
};

static presence_satellite::Satellite *station = nullptr;
static esp32_ble_tracker::Tracker tracker;
static Broker broker;

static void on_boot() {
  @on_boot@
}
static void on_message(std::string x) {
  @on_message@
}
static void on_ble_advertise(const esp32_ble_tracker::ESPBTDevice &x) {
  @on_ble_advertise@
}
static void on_turn() {
  @on_turn@
}
static bool shall_scan() {
  @shall_scan@
}
static bool may_start() {
  @may_start@
}
static bool may_stop() {
  @may_stop@
}

// Takes the random bytes in hex; then a word, the millisecond and what belongs to it, line by line.
int main(int count, char **arguments) {
  if (count > 1)
    random_bytes = bytes(arguments[1]);
  on_boot();
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string what, payload;
    long long now_ms;
    words >> what >> now_ms;
    now_us = now_ms * 1000;
    if (what == "nonce") {
      words >> payload;
      on_message(bytes(payload));
    } else if (what == "advertise") {
      int uuid, rssi;
      words >> uuid >> rssi >> payload;
      const std::string data = bytes(payload);
      on_ble_advertise({rssi, {{{0x180F}, {1}}, {{static_cast<uint16_t>(uuid)}, {data.begin(), data.end()}}}});
    } else if (what == "turn") {
      on_turn();
    } else if (what == "scan") {  // as the interval of a second does
      using esp32_ble_tracker::ScannerState;
      if (shall_scan()) {
        if (may_start())
          tracker.state = ScannerState::RUNNING;
      } else if (may_stop()) {
        tracker.state = ScannerState::IDLE;
      }
      std::printf("scanning %d\n", tracker.state == ScannerState::RUNNING);
    } else if (what == "offline") {
      broker.connected = false;
    } else if (what == "online") {
      broker.connected = true;
    }
  }
  return 0;
}
