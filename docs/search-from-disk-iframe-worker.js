// A browser starts no worker from a disk. Under file:// the search's worker runs in a frame of its own; the site's theme
// looks for the name IFrameWorker there, and plugin `offline` brings the index as a script.
if (location.protocol === 'file:') {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement('iframe');
      frame.hidden = true;
      document.body.append(frame);
      this.worker = frame.contentWindow;
      addEventListener('message', (event) => {
        if (event.source === this.worker) this.dispatchEvent(new MessageEvent('message', { data: event.data }));
      });
      const within = this.worker.document;
      within.open();
      within.write('<script>postMessage = (data) => parent.postMessage(data, "*")</scr' + `ipt><script src="${url}"></scr` + 'ipt>');
      within.close();
    }
    postMessage(data) {
      const deliver = () => this.worker.dispatchEvent(new MessageEvent('message', { data }));
      if (this.worker.document.readyState === 'complete') deliver();
      else this.worker.addEventListener('load', deliver);
    }
  };
  window.Worker = window.IFrameWorker;
}
